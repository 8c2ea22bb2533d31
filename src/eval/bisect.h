// Where an increasing function crosses a value.
#pragma once

namespace lora {

// The x in [low, high] where the increasing function f crosses `target`, to the last bit that bisection can reach.
template <typename F>
double bisect(F f, double target, double low, double high) {
  for (int i = 0; i < 200; ++i) {
    const double middle = low + (high - low) / 2;
    if (middle == low || middle == high) break;
    (f(middle) < target ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

}  // namespace lora
