#include "weights/nf4.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/error.h"
#include "weights/unpack_kernels.h"

// Products and sums are rounded one by one, as bitsandbytes does; a compiler that fuses them would change last bits.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

namespace lora {
namespace {

// Quantiles of the normal distribution, scaled to [-1, 1], with an exact zero (QLoRA, appendix E).
constexpr std::array<float, 16> kNf4{-1.0f,
                                     -0.6961928009986877f,
                                     -0.5250730514526367f,
                                     -0.39491748809814453f,
                                     -0.28444138169288635f,
                                     -0.18477343022823334f,
                                     -0.09105003625154495f,
                                     0.0f,
                                     0.07958029955625534f,
                                     0.16093020141124725f,
                                     0.24611230194568634f,
                                     0.33791524171829224f,
                                     0.44070982933044434f,
                                     0.5626170039176941f,
                                     0.7229568362236023f,
                                     1.0f};
// Sign, two bits of exponent, one of mantissa; 12 is the largest.
constexpr std::array<float, 16> kFp4{0.f,       0.0625f / 12, 8.f / 12,  12.f / 12,     4.f / 12,  6.f / 12,
                                     2.f / 12,  3.f / 12,     -0.f,      -0.0625f / 12, -8.f / 12, -12.f / 12,
                                     -4.f / 12, -6.f / 12,    -2.f / 12, -3.f / 12};

// bitsandbytes' floor under a block's largest value, so that a block of zeros does not divide by zero.
constexpr float kSmallestScale = 1e-38f;

// Code values in rising order, the codes that they have, and the bounds half-way between neighbours.
struct Quantizer {
  std::array<uint8_t, 16> order{};
  std::array<float, 15> bounds{};

  explicit Quantizer(std::span<const float, 16> code) {
    for (size_t i = 0; i < 16; ++i) order[i] = static_cast<uint8_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](uint8_t a, uint8_t b) { return code[a] < code[b]; });
    for (size_t i = 0; i < 15; ++i) bounds[i] = (code[order[i]] + code[order[i + 1]]) / 2;
  }
  // The lower one half-way. Counted, not searched, so that loops over many values vectorise.
  uint8_t nearest(float value) const {
    uint32_t below = 0;
    for (const float bound : bounds) below += bound < value;
    return order[below];
  }
};

float rounded(float value, DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return static_cast<float>(c10::BFloat16(value));
    case DType::kF16:
      return static_cast<float>(c10::Half(value));
    default:
      return value;
  }
}

float largest_magnitude(std::span<const float> values) {
  float largest = 0;
  for (const float v : values) largest = std::max(largest, std::fabs(v));
  return largest;
}

}  // namespace

std::string_view four_bit_name(FourBitType type) {
  return type == FourBitType::kNf4 ? "nf4" : "fp4";
}

std::span<const float, 16> four_bit_code(FourBitType type) {
  return type == FourBitType::kNf4 ? kNf4 : kFp4;
}

bool four_bit_block_size_known(int64_t block_size) {
  return block_size >= 32 && block_size <= 4096 && (block_size & (block_size - 1)) == 0;
}

int64_t FourBitWeight::numel() const {
  int64_t n = 1;
  for (const int64_t size : shape) n *= size;
  return n;
}

size_t FourBitWeight::bytes() const {
  return packed.size() + scales.codes.size() + sizeof(float) * (scales.absmax.size() + scales.code.size());
}

void FourBitWeight::dequantize(int64_t first, std::span<float> out, std::span<const uint8_t> part,
                               size_t first_byte) const {
  const auto code = four_bit_code(type);
  const int64_t end = first + static_cast<int64_t>(out.size());
  // Whole blocks go to the kernel, with their scales made plain some at a time; what is left of a block is looked up here.
  constexpr int64_t kMostScales = 64;
  std::array<float, kMostScales> plain;
  for (int64_t i = first; i < end;) {
    const int64_t block = i / block_size, begin = block * block_size;
    float* to = out.data() + (i - first);
    if (const int64_t whole = std::min((end - begin) / block_size, kMostScales); i == begin && whole > 0) {
      for (int64_t b = 0; b < whole; ++b) plain[static_cast<size_t>(b)] = scales[block + b];
      kernels::unpack_four_bit(part.data() + (static_cast<size_t>(begin / 2) - first_byte), code.data(),
                               plain.data(), static_cast<size_t>(whole), static_cast<size_t>(block_size),
                               dtype, to);
      i += whole * block_size;
      continue;
    }
    const float scale = scales[block];
    for (const int64_t block_end = std::min(end, begin + block_size); i < block_end; ++i) {
      const uint8_t byte = part[static_cast<size_t>(i / 2) - first_byte];
      *to++ = rounded(code[i % 2 == 0 ? byte >> 4 : byte & 15] * scale, dtype);
    }
  }
}

void FourBitWeight::dequantize_rows(int64_t begin, int64_t end, std::span<float> out) const {
  const int64_t row = shape[0] == 0 ? 0 : numel() / shape[0];
  dequantize(begin * row, out.first(static_cast<size_t>((end - begin) * row)));
}

FourBitWeight quantize_4bit(std::span<const float> values, std::vector<int64_t> shape, FourBitType type,
                            int64_t block_size) {
  if (!four_bit_block_size_known(block_size))
    throw Error::input({.found = "a block size of " + std::to_string(block_size),
                        .expected = "a power of two from 32 to 4096"});
  FourBitWeight weight{type, std::move(shape), block_size, {}, {}, DType::kF32};
  weight.packed.assign((values.size() + 1) / 2, 0);
  const Quantizer quantizer(four_bit_code(type));
  const auto block_elements = static_cast<size_t>(block_size);
  for (size_t begin = 0; begin < values.size(); begin += block_elements) {
    const auto block = values.subspan(begin, std::min(block_elements, values.size() - begin));
    for (const float v : block)
      if (!std::isfinite(v))
        throw Error::input({.found = "a weight is NaN or infinite, which 4 bits cannot hold",
                            .fix = "The checkpoint is damaged; download it again."});
    float absmax = largest_magnitude(block);
    const float floored = std::max(absmax, kSmallestScale);
    const bool whole = block.size() == block_elements;
    if (!whole) absmax = floored;
    const float inverse = 1.0f / floored;
    weight.scales.absmax.push_back(absmax);
    for (size_t i = 0; i < block.size(); ++i) {
      // bitsandbytes multiplies in whole blocks and divides in the last, shorter one.
      const float scaled = std::clamp(whole ? block[i] * inverse : block[i] / floored, -1.0f, 1.0f);
      const size_t at = begin + i;
      weight.packed[at / 2] |= static_cast<uint8_t>(quantizer.nearest(scaled) << (at % 2 == 0 ? 4 : 0));
    }
  }
  // The half-byte after an odd last element holds the code of zero.
  if (values.size() % 2 == 1) weight.packed.back() |= quantizer.nearest(0);
  return weight;
}

std::vector<uint8_t> quantize_8bit(std::span<const float> values, std::span<const float> code,
                                   int64_t block_size, std::vector<float>& absmax) {
  std::vector<float> bounds(code.size() - 1);
  for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = (code[i] + code[i + 1]) / 2;
  std::vector<uint8_t> codes;
  codes.reserve(values.size());
  const auto block_elements = static_cast<size_t>(block_size);
  for (size_t begin = 0; begin < values.size(); begin += block_elements) {
    const auto block = values.subspan(begin, std::min(block_elements, values.size() - begin));
    const bool whole = block.size() == block_elements;
    float largest = largest_magnitude(block);
    const float floored = std::max(largest, kSmallestScale);
    if (!whole) largest = floored;
    const float inverse = 1.0f / floored;
    absmax.push_back(largest);
    for (const float v : block) {
      const float scaled = std::clamp(whole ? v * inverse : v / floored, -1.0f, 1.0f);
      codes.push_back(
          static_cast<uint8_t>(std::lower_bound(bounds.begin(), bounds.end(), scaled) - bounds.begin()));
    }
  }
  return codes;
}

}  // namespace lora
