// Random streams that are functions of their key: nothing to save, nothing to restore, the same on every machine.
// std::shuffle and the std distributions differ between standard libraries; these do not.
#pragma once

#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "base/hash.h"

namespace lora {

// A stream of random numbers named by a key. Value type; copying it forks the stream at its position.
class Random {
 public:
  explicit Random(uint64_t key) : key_(mix64(key)) {}
  Random(uint64_t seed, uint64_t purpose) : key_(mix64(seed, purpose)) {}

  uint64_t next() { return mix64(key_, counter_++); }
  // Uniform in [0, 1), 53 random bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  // Uniform in [0, n), n > 0, without modulo bias (Lemire 2019).
  uint64_t below(uint64_t n) {
    while (true) {
      const unsigned __int128 product = static_cast<unsigned __int128>(next()) * n;
      const auto low = static_cast<uint64_t>(product);
      if (low >= (0 - n) % n) return static_cast<uint64_t>(product >> 64);
    }
  }
  // Standard normal (Box-Muller).
  double normal() {
    const double u = 1.0 - uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586476925 * uniform());
  }

  // A permutation of 0 … n-1 (Fisher-Yates).
  std::vector<size_t> permutation(size_t n) {
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    for (size_t i = n; i > 1; --i) std::swap(order[i - 1], order[below(i)]);
    return order;
  }

 private:
  uint64_t key_;
  uint64_t counter_ = 0;
};

}  // namespace lora
