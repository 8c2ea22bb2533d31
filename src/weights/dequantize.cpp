#include "weights/dequantize.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/error.h"

// Products and sums are rounded one by one, as gguf-py does; a compiler that fuses them (arm64) would change last bits.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

namespace lora {
namespace {

// IEEE 754 binary16 to binary32, exact. The exponent moves from bias 15 to 127 by a multiplication with 2^112, which
// also normalises subnormals; infinities and NaNs are put right afterwards. No branches, so that loops vectorise.
inline float half_to_float(uint16_t half) {
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fff) << 13;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1.0p112f);
  const uint32_t special = magnitude | 0x7f800000u;
  const uint32_t mask = (half & 0x7c00) == 0x7c00 ? ~0u : 0u;
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  return std::bit_cast<float>((finite & ~mask) | (special & mask) | sign);
}

inline float half_at(const uint8_t* bytes) {
  uint16_t half;
  std::memcpy(&half, bytes, 2);
  return half_to_float(half);
}

// Every bit of a byte as a byte of its own, holding 0 or 16: the fifth bit of Q5_0 and Q5_1.
constexpr auto kFifthBits = [] {
  std::array<std::array<uint8_t, 8>, 256> table{};
  for (size_t byte = 0; byte < 256; ++byte)
    for (size_t bit = 0; bit < 8; ++bit) table[byte][bit] = (byte >> bit & 1) ? 16 : 0;
  return table;
}();

struct Q4_0 {  // d, 16 bytes: element i low nibble of byte i, element i + 16 high nibble
  static constexpr size_t kSize = 32, kBytes = 18;
  static void block(const uint8_t* in, float* out) {
    const float d = half_at(in);
    const uint8_t* q = in + 2;
    for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>((q[i] & 15) - 8);
    for (int i = 0; i < 16; ++i) out[i + 16] = d * static_cast<float>((q[i] >> 4) - 8);
  }
};

struct Q4_1 {  // d, m, then as Q4_0
  static constexpr size_t kSize = 32, kBytes = 20;
  static void block(const uint8_t* in, float* out) {
    const float d = half_at(in), m = half_at(in + 2);
    const uint8_t* q = in + 4;
    for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>(q[i] & 15) + m;
    for (int i = 0; i < 16; ++i) out[i + 16] = d * static_cast<float>(q[i] >> 4) + m;
  }
};

inline void fifth_bits(const uint8_t* in, uint8_t* out) {
  for (int i = 0; i < 4; ++i) std::memcpy(out + 8 * i, kFifthBits[in[i]].data(), 8);
}

struct Q5_0 {  // d, 32 fifth bits, then as Q4_0
  static constexpr size_t kSize = 32, kBytes = 22;
  static void block(const uint8_t* in, float* out) {
    const float d = half_at(in);
    const uint8_t* q = in + 6;
    uint8_t high[32];
    fifth_bits(in + 2, high);
    for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>(((q[i] & 15) | high[i]) - 16);
    for (int i = 0; i < 16; ++i) out[i + 16] = d * static_cast<float>(((q[i] >> 4) | high[i + 16]) - 16);
  }
};

struct Q5_1 {  // d, m, 32 fifth bits, then as Q4_0
  static constexpr size_t kSize = 32, kBytes = 24;
  static void block(const uint8_t* in, float* out) {
    const float d = half_at(in), m = half_at(in + 2);
    const uint8_t* q = in + 8;
    uint8_t high[32];
    fifth_bits(in + 4, high);
    for (int i = 0; i < 16; ++i) out[i] = d * static_cast<float>((q[i] & 15) | high[i]) + m;
    for (int i = 0; i < 16; ++i) out[i + 16] = d * static_cast<float>((q[i] >> 4) | high[i + 16]) + m;
  }
};

struct Q8_0 {  // d, 32 signed bytes
  static constexpr size_t kSize = 32, kBytes = 34;
  static void block(const uint8_t* in, float* out) {
    const float d = half_at(in);
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(in[2 + i]));
  }
};

// Scale and minimum of sub-block i of a Q4_K or Q5_K block: 8 pairs of 6 bits in 12 bytes. Bytes 0-3 hold scales 0-3,
// 4-7 minima 0-3; bytes 8-11 the low 4 bits of scales and minima 4-7, whose upper 2 are the tops of bytes 0-7.
inline void scale_and_min(const uint8_t* s, int i, int& scale, int& min) {
  if (i < 4) {
    scale = s[i] & 63;
    min = s[i + 4] & 63;
  } else {
    scale = (s[i + 4] & 15) | (s[i - 4] >> 6 << 4);
    min = (s[i + 4] >> 4) | (s[i] >> 6 << 4);
  }
}

struct
    Q4_K {  // d, dmin, 12 bytes of scales, then 4 x 32 bytes: low nibbles a sub-block of 32, high nibbles the next
  static constexpr size_t kSize = 256, kBytes = 144;
  static void block(const uint8_t* in, float* out) {
    const float d = half_at(in), dmin = half_at(in + 2);
    for (int i = 0; i < 8; ++i) {
      int scale, min;
      scale_and_min(in + 4, i, scale, min);
      const float ds = d * static_cast<float>(scale), dm = dmin * static_cast<float>(min);
      const uint8_t* q = in + 16 + 32 * (i / 2);
      const int shift = 4 * (i % 2);
      for (int j = 0; j < 32; ++j) out[32 * i + j] = ds * static_cast<float>((q[j] >> shift) & 15) - dm;
    }
  }
};

struct
    Q5_K {  // as Q4_K, with 32 bytes between scales and nibbles: bit i of byte j is the fifth bit of element (i, j)
  static constexpr size_t kSize = 256, kBytes = 176;
  static void block(const uint8_t* in, float* out) {
    const float d = half_at(in), dmin = half_at(in + 2);
    const uint8_t* high = in + 16;
    for (int i = 0; i < 8; ++i) {
      int scale, min;
      scale_and_min(in + 4, i, scale, min);
      const float ds = d * static_cast<float>(scale), dm = dmin * static_cast<float>(min);
      const uint8_t* q = in + 48 + 32 * (i / 2);
      const int shift = 4 * (i % 2);
      for (int j = 0; j < 32; ++j)
        out[32 * i + j] = ds * static_cast<float>(((q[j] >> shift) & 15) | ((high[j] >> i & 1) << 4)) - dm;
    }
  }
};

// 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales (one for 16 elements), d. Each half of the block is
// four runs of 32: runs 0 and 1 the low nibbles of bytes 0-31 and 32-63, runs 2 and 3 their high nibbles; the upper
// bits of run r are bits 2r of 32 bytes.
struct Q6_K {
  static constexpr size_t kSize = 256, kBytes = 210;
  static void block(const uint8_t* in, float* out) {
    const float d = half_at(in + 208);
    for (int half = 0; half < 2; ++half) {
      const uint8_t* high = in + 128 + 32 * half;
      for (int run = 0; run < 4; ++run) {
        const uint8_t* low = in + 64 * half + 32 * (run % 2);
        const int shift = 4 * (run / 2);
        for (int part = 0; part < 2; ++part) {
          const int first = 128 * half + 32 * run + 16 * part;
          const float ds = d * static_cast<float>(static_cast<int8_t>(in[192 + first / 16]));
          for (int j = 16 * part; j < 16 * part + 16; ++j) {
            const int q = ((low[j] >> shift) & 15) | ((high[j] >> (2 * run) & 3) << 4);
            out[128 * half + 32 * run + j] = ds * static_cast<float>(q - 32);
          }
        }
      }
    }
  }
};

template <typename Type>
void blocks_to_floats(const uint8_t* in, float* out, size_t n) {
  for (size_t b = 0; b < n / Type::kSize; ++b) Type::block(in + b * Type::kBytes, out + b * Type::kSize);
}

template <typename Stored, typename Convert>
void plain_to_floats(const uint8_t* in, float* out, size_t n, Convert convert) {
  for (size_t i = 0; i < n; ++i) {
    Stored value;
    std::memcpy(&value, in + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(value);
  }
}

}  // namespace

bool can_dequantize(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ8_0:
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K:
      return true;
    default:
      return false;
  }
}

void dequantize(DType dtype, std::span<const std::byte> blocks, std::span<float> out) {
  if (!can_dequantize(dtype))
    throw Error::input({.found = "weights of type " + std::string(dtype_name(dtype)) + " cannot be read",
                        .expected = "F64, F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K",
                        .fix = "Use a file with other types, e.g. Q4_K_M or Q8_0."});
  const DTypeLayout layout = dtype_layout(dtype);
  if (out.size() % layout.block_size != 0 || blocks.size() % layout.block_bytes != 0 ||
      blocks.size() / layout.block_bytes != out.size() / layout.block_size)
    throw Error::input({.found = std::to_string(blocks.size()) + " bytes of " +
                                 std::string(dtype_name(dtype)) + " are not " + std::to_string(out.size()) +
                                 " elements"});
  const auto* in = reinterpret_cast<const uint8_t*>(blocks.data());
  const size_t n = out.size();
  if (n == 0) return;
  switch (dtype) {
    case DType::kF64:
      return plain_to_floats<double>(in, out.data(), n, [](double x) { return static_cast<float>(x); });
    case DType::kF32:
      std::memcpy(out.data(), in, n * sizeof(float));
      return;
    case DType::kF16:
      return plain_to_floats<uint16_t>(in, out.data(), n, half_to_float);
    case DType::kBF16:
      return plain_to_floats<uint16_t>(
          in, out.data(), n, [](uint16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); });
    case DType::kQ4_0:
      return blocks_to_floats<Q4_0>(in, out.data(), n);
    case DType::kQ4_1:
      return blocks_to_floats<Q4_1>(in, out.data(), n);
    case DType::kQ5_0:
      return blocks_to_floats<Q5_0>(in, out.data(), n);
    case DType::kQ5_1:
      return blocks_to_floats<Q5_1>(in, out.data(), n);
    case DType::kQ8_0:
      return blocks_to_floats<Q8_0>(in, out.data(), n);
    case DType::kQ4_K:
      return blocks_to_floats<Q4_K>(in, out.data(), n);
    case DType::kQ5_K:
      return blocks_to_floats<Q5_K>(in, out.data(), n);
    case DType::kQ6_K:
      return blocks_to_floats<Q6_K>(in, out.data(), n);
    default:
      return;
  }
}

}  // namespace lora
