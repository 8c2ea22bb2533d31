// How exactly matrices of floats are multiplied, in the words of torch.set_float32_matmul_precision. Products of doubles, and those
// of a processor that gains nothing by less, are always as exact as their type.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace lora {

enum class MatmulPrecision {
  kHighest,  // as float arithmetic does: 24 bits of each number
  kHigh,  // at least 16 bits of each number; sums are floats. An error of some 5e-6 of a row's norm, where floats
          // err by 3e-7
  kMedium,  // 8 bits of each number, a bfloat16; sums are floats. An error of some 2e-3. What operations keep for their
            // backward pass has 8 bits too, and so have attention's products; on tiles the adapter's
};

// All, the most exact first.
constexpr std::array kMatmulPrecisions{MatmulPrecision::kHighest, MatmulPrecision::kHigh,
                                       MatmulPrecision::kMedium};

inline std::string_view precision_name(MatmulPrecision precision) {
  constexpr std::array<std::string_view, kMatmulPrecisions.size()> kNames{"highest", "high", "medium"};
  return kNames[static_cast<size_t>(precision)];
}

inline std::optional<MatmulPrecision> precision_named(std::string_view name) {
  for (const MatmulPrecision precision : kMatmulPrecisions)
    if (name == precision_name(precision)) return precision;
  return std::nullopt;
}

}  // namespace lora
