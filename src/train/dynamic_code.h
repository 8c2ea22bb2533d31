// The "dynamic" code of 8-bit optimizers (arXiv 2110.02861, arXiv 1511.04561): 256 values, as bitsandbytes has them, close together
// where they are small.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace lora {

// The 256 values, ascending, in [-1, 1] (`is_signed`) or [0, 1].
std::array<float, 256> dynamic_code(bool is_signed);

class DynamicCode {
 public:
  explicit DynamicCode(bool is_signed);

  float value(uint8_t code) const { return values_[code]; }

  // The code whose value is nearest to x, the lower one of two that are equally near. x: in [-1, 1]; a number beyond has the
  // outermost code.
  uint8_t nearest(float x) const {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    const uint32_t place = (bits & 0x7fffffffU) >> kShift;
    size_t low = starts_[bits >> 31][place < kFirst             ? 0
                                     : place - kFirst < kPlaces ? place - kFirst
                                                                : kPlaces - 1];
    // Numbers that share a place have at most kSteps values among them.
    for (int i = 0; i < kSteps; ++i) low += values_[low + 1] <= x ? 1 : 0;
    return static_cast<uint8_t>(low + (x - values_[low] > values_[low + 1] - x ? 1 : 0));
  }

 private:
  // Numbers share a place when sign, exponent and six bits after the point are theirs; all below 2^-24 do, and all from 1 on.
  static constexpr uint32_t kShift = 17, kFirst = (127U - 24) << 6, kPlaces = (24U << 6) + 1;
  static constexpr int kSteps = 2;
  std::array<float, 257> values_;  // and infinity
  std::array<std::array<uint8_t, kPlaces>, 2>
      starts_{};  // the highest code not above any number of the place
};

}  // namespace lora
