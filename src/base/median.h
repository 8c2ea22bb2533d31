// The median of measured numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace lora {

// The middle one, or the mean of the two in the middle. Precondition: there are some.
inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

}  // namespace lora
