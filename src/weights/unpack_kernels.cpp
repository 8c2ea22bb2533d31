// See unpack_kernels.h. Layouts: ggml-common.h's block structs.
#include "weights/unpack_kernels.h"

// A compiler that fuses products and sums would change last bits against gguf-py and bitsandbytes.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "weights/unpack_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, as Highway asks.
#include <c10/util/Half.h>
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace lora::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// At most 16 lanes, since a scale covers runs of 16.
using Floats = hn::CappedTag<float, 16>;
using Ints = hn::Rebind<int32_t, Floats>;
using Bytes = hn::Rebind<uint8_t, Floats>;
using SignedBytes = hn::Rebind<int8_t, Floats>;
using IntVector = hn::Vec<Ints>;

inline IntVector LoadBytes(const uint8_t* in) {
  return hn::PromoteTo(Ints(), hn::LoadU(Bytes(), in));
}
inline IntVector Low(IntVector bytes) {
  return hn::And(bytes, hn::Set(Ints(), 15));
}
inline IntVector High(IntVector bytes) {
  return hn::ShiftRight<4>(bytes);
}

// d * (q - zero)
inline void StoreScaled(IntVector q, int32_t zero, float d, float* out) {
  const Floats f;
  const auto x = hn::ConvertTo(f, hn::Sub(q, hn::Set(Ints(), zero)));
  hn::StoreU(hn::Mul(hn::Set(f, d), x), f, out);
}
// d * q + m
inline void StoreShifted(IntVector q, float d, float m, float* out) {
  const Floats f;
  hn::StoreU(hn::Add(hn::Mul(hn::Set(f, d), hn::ConvertTo(f, q)), hn::Set(f, m)), f, out);
}
// d * q - m
inline void StoreLowered(IntVector q, float d, float m, float* out) {
  const Floats f;
  hn::StoreU(hn::Sub(hn::Mul(hn::Set(f, d), hn::ConvertTo(f, q)), hn::Set(f, m)), f, out);
}

// IEEE 754 binary16 to binary32, exact. The exponent moves from bias 15 to 127 by a multiplication with 2^112, which
// also normalises subnormals; infinities and NaNs are put right afterwards. No branches, so that loops vectorise.
inline float HalfToFloat(uint16_t half) {
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fff) << 13;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1.0p112f);
  const uint32_t special = magnitude | 0x7f800000u;
  const uint32_t mask = (half & 0x7c00) == 0x7c00 ? ~0u : 0u;
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  return std::bit_cast<float>((finite & ~mask) | (special & mask) | sign);
}

// out[i] = half i, n of them. The processor's own conversion, where there is one: exact too, but that it makes every NaN quiet.
template <class F>
inline void LoadHalves(F f, const uint8_t* in, size_t n, float* out) {
  size_t i = 0;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  const hn::Rebind<hwy::float16_t, F> half;
  for (; i + hn::Lanes(f) <= n; i += hn::Lanes(f)) {
    const auto halves = hn::LoadU(half, reinterpret_cast<const hwy::float16_t*>(in + 2 * i));
    hn::StoreU(hn::PromoteTo(f, halves), f, out + i);
  }
#else
  static_cast<void>(f);
#endif
  for (; i < n; ++i) {
    uint16_t bits;
    std::memcpy(&bits, in + 2 * i, 2);
    out[i] = HalfToFloat(bits);
  }
}

// The fifth bits of elements i, i + 1, … of a block of 32, each as 0 or 16.
class FifthBits {
 public:
  explicit FifthBits(const uint8_t* in) { std::memcpy(&bits_, in, 4); }
  IntVector at(size_t i) const {
    const hn::RebindToUnsigned<Ints> u;
    const auto shift = hn::Iota(u, static_cast<uint32_t>(i));
    const auto bit = hn::And(hn::Shr(hn::Set(u, bits_), shift), hn::Set(u, 1u));
    return hn::BitCast(Ints(), hn::ShiftLeft<4>(bit));
  }

 private:
  uint32_t bits_;
};

struct Q4_0 {  // d, 16 bytes: element i low nibble of byte i, element i + 16 high nibble
  static constexpr size_t kSize = 32, kBytes = 18, kHalves = 1, kHalvesAt = 0;
  static void Block(const uint8_t* in, const float* halves, float* out) {
    const float d = halves[0];
    for (size_t i = 0; i < 16; i += hn::Lanes(Floats())) {
      const auto q = LoadBytes(in + 2 + i);
      StoreScaled(Low(q), 8, d, out + i);
      StoreScaled(High(q), 8, d, out + 16 + i);
    }
  }
};

struct Q4_1 {  // d, m, then as Q4_0
  static constexpr size_t kSize = 32, kBytes = 20, kHalves = 2, kHalvesAt = 0;
  static void Block(const uint8_t* in, const float* halves, float* out) {
    const float d = halves[0], m = halves[1];
    for (size_t i = 0; i < 16; i += hn::Lanes(Floats())) {
      const auto q = LoadBytes(in + 4 + i);
      StoreShifted(Low(q), d, m, out + i);
      StoreShifted(High(q), d, m, out + 16 + i);
    }
  }
};

struct Q5_0 {  // d, 32 fifth bits, then as Q4_0
  static constexpr size_t kSize = 32, kBytes = 22, kHalves = 1, kHalvesAt = 0;
  static void Block(const uint8_t* in, const float* halves, float* out) {
    const float d = halves[0];
    const FifthBits fifth(in + 2);
    for (size_t i = 0; i < 16; i += hn::Lanes(Floats())) {
      const auto q = LoadBytes(in + 6 + i);
      StoreScaled(hn::Or(Low(q), fifth.at(i)), 16, d, out + i);
      StoreScaled(hn::Or(High(q), fifth.at(16 + i)), 16, d, out + 16 + i);
    }
  }
};

struct Q5_1 {  // d, m, 32 fifth bits, then as Q4_0
  static constexpr size_t kSize = 32, kBytes = 24, kHalves = 2, kHalvesAt = 0;
  static void Block(const uint8_t* in, const float* halves, float* out) {
    const float d = halves[0], m = halves[1];
    const FifthBits fifth(in + 4);
    for (size_t i = 0; i < 16; i += hn::Lanes(Floats())) {
      const auto q = LoadBytes(in + 8 + i);
      StoreShifted(hn::Or(Low(q), fifth.at(i)), d, m, out + i);
      StoreShifted(hn::Or(High(q), fifth.at(16 + i)), d, m, out + 16 + i);
    }
  }
};

struct Q8_0 {  // d, 32 signed bytes
  static constexpr size_t kSize = 32, kBytes = 34, kHalves = 1, kHalvesAt = 0;
  static void Block(const uint8_t* in, const float* halves, float* out) {
    const float d = halves[0];
    const auto* q = reinterpret_cast<const int8_t*>(in + 2);
    for (size_t i = 0; i < 32; i += hn::Lanes(Floats()))
      StoreScaled(hn::PromoteTo(Ints(), hn::LoadU(SignedBytes(), q + i)), 0, d, out + i);
  }
};

// Scale and minimum of sub-block i of a Q4_K or Q5_K block: 8 pairs of 6 bits in 12 bytes. Bytes 0-3 hold scales 0-3,
// 4-7 minima 0-3; bytes 8-11 the low 4 bits of scales and minima 4-7, whose upper 2 are the tops of bytes 0-7.
struct Run {
  float scale, min;

  Run(const uint8_t* s, size_t i, float d, float dmin) {
    const int a = i < 4 ? s[i] & 63 : (s[i + 4] & 15) | (s[i - 4] >> 6 << 4);
    const int b = i < 4 ? s[i + 4] & 63 : (s[i + 4] >> 4) | (s[i] >> 6 << 4);
    scale = d * static_cast<float>(a);
    min = dmin * static_cast<float>(b);
  }
};

// d, dmin, 12 bytes of scales, then 4 x 32 bytes: low nibbles a sub-block of 32, high nibbles the next.
struct Q4_K {
  static constexpr size_t kSize = 256, kBytes = 144, kHalves = 2, kHalvesAt = 0;
  static void Block(const uint8_t* in, const float* halves, float* out) {
    const float d = halves[0], dmin = halves[1];
    for (size_t pair = 0; pair < 4; ++pair) {
      const Run a(in + 4, 2 * pair, d, dmin), b(in + 4, 2 * pair + 1, d, dmin);
      float* to = out + 64 * pair;
      for (size_t j = 0; j < 32; j += hn::Lanes(Floats())) {
        const auto q = LoadBytes(in + 16 + 32 * pair + j);
        StoreLowered(Low(q), a.scale, a.min, to + j);
        StoreLowered(High(q), b.scale, b.min, to + 32 + j);
      }
    }
  }
};

// As Q4_K, with 32 bytes between scales and nibbles: bit i of byte j is the fifth bit of element (i, j).
struct Q5_K {
  static constexpr size_t kSize = 256, kBytes = 176, kHalves = 2, kHalvesAt = 0;
  static void Block(const uint8_t* in, const float* halves, float* out) {
    const float d = halves[0], dmin = halves[1];
    const auto sixteen = hn::Set(Ints(), 16);
    for (size_t pair = 0; pair < 4; ++pair) {
      const Run a(in + 4, 2 * pair, d, dmin), b(in + 4, 2 * pair + 1, d, dmin);
      float* to = out + 64 * pair;
      for (size_t j = 0; j < 32; j += hn::Lanes(Floats())) {
        const auto q = LoadBytes(in + 48 + 32 * pair + j);
        // The bits 2 * pair and 2 * pair + 1, each moved to place 4.
        const auto high =
            hn::ShiftRightSame(hn::ShiftLeft<4>(LoadBytes(in + 16 + j)), static_cast<int>(2 * pair));
        StoreLowered(hn::Or(Low(q), hn::And(high, sixteen)), a.scale, a.min, to + j);
        StoreLowered(hn::Or(High(q), hn::And(hn::ShiftRight<1>(high), sixteen)), b.scale, b.min, to + 32 + j);
      }
    }
  }
};

// 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales (one for 16 elements), d. Each half of the block is
// four runs of 32: runs 0 and 1 the low nibbles of bytes 0-31 and 32-63, runs 2 and 3 their high nibbles; the upper
// bits of run r are bits 2r of 32 bytes.
struct Q6_K {
  static constexpr size_t kSize = 256, kBytes = 210, kHalves = 1, kHalvesAt = 208;
  static void Block(const uint8_t* in, const float* halves, float* out) {
    const float d = halves[0];
    const auto mask = hn::Set(Ints(), 0x30);
    for (size_t half = 0; half < 2; ++half) {
      const uint8_t *low = in + 64 * half, *high = in + 128 + 32 * half;
      const auto* scales = reinterpret_cast<const int8_t*>(in + 192 + 8 * half);
      const auto scale = [&](size_t run, size_t j)
                             HWY_ATTR { return d * static_cast<float>(scales[2 * run + j / 16]); };
      float* to = out + 128 * half;
      for (size_t j = 0; j < 32; j += hn::Lanes(Floats())) {
        const auto a = LoadBytes(low + j), b = LoadBytes(low + 32 + j), h = LoadBytes(high + j);
        const auto top0 = hn::And(hn::ShiftLeft<4>(h), mask), top1 = hn::And(hn::ShiftLeft<2>(h), mask),
                   top2 = hn::And(h, mask), top3 = hn::And(hn::ShiftRight<2>(h), mask);
        StoreScaled(hn::Or(Low(a), top0), 32, scale(0, j), to + j);
        StoreScaled(hn::Or(Low(b), top1), 32, scale(1, j), to + 32 + j);
        StoreScaled(hn::Or(High(a), top2), 32, scale(2, j), to + 64 + j);
        StoreScaled(hn::Or(High(b), top3), 32, scale(3, j), to + 96 + j);
      }
    }
  }
};

// So many numbers at a time: whole blocks of every type.
constexpr size_t kSome = 1024;
// How far ahead of what is unpacked memory is asked for. A step of decoding reads all weights between products, in pieces so
// short that the processor does not see by itself where they go on.
constexpr size_t kAhead = 1024;

// At most kSome numbers. All scales first, so that the blocks read them as floats from memory, which spares the units that
// shuffle.
template <class Type>
void UnpackBlocks(const uint8_t* in, size_t n, float* out) {
  constexpr size_t kHalves = Type::kHalves;
  float halves[kSome / Type::kSize * kHalves];
  const size_t blocks = n / Type::kSize;
  for (size_t b = 0; b < blocks; ++b)
    LoadHalves(hn::CappedTag<float, kHalves>(), in + b * Type::kBytes + Type::kHalvesAt, kHalves,
               halves + b * kHalves);
  for (size_t b = 0; b < blocks; ++b)
    Type::Block(in + b * Type::kBytes, halves + b * kHalves, out + b * Type::kSize);
}

template <class Stored, class Convert>
void UnpackPlain(const uint8_t* in, size_t n, float* out, const Convert& convert) {
  for (size_t i = 0; i < n; ++i) {
    Stored value;
    std::memcpy(&value, in + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(value);
  }
}

void UnpackSome(DType dtype, const uint8_t* in, size_t n, float* out) {
  switch (dtype) {
    case DType::kF64:
      return UnpackPlain<double>(in, n, out, [](double x) { return static_cast<float>(x); });
    case DType::kF16:
      return LoadHalves(Floats(), in, n, out);
    case DType::kBF16:
      return UnpackPlain<uint16_t>(
          in, n, out, [](uint16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); });
    case DType::kQ4_0:
      return UnpackBlocks<Q4_0>(in, n, out);
    case DType::kQ4_1:
      return UnpackBlocks<Q4_1>(in, n, out);
    case DType::kQ5_0:
      return UnpackBlocks<Q5_0>(in, n, out);
    case DType::kQ5_1:
      return UnpackBlocks<Q5_1>(in, n, out);
    case DType::kQ8_0:
      return UnpackBlocks<Q8_0>(in, n, out);
    case DType::kQ4_K:
      return UnpackBlocks<Q4_K>(in, n, out);
    case DType::kQ5_K:
      return UnpackBlocks<Q5_K>(in, n, out);
    case DType::kQ6_K:
      return UnpackBlocks<Q6_K>(in, n, out);
    default:
      return;
  }
}

void Unpack(DType dtype, const uint8_t* in, size_t n, float* out) {
  const DTypeLayout layout = dtype_layout(dtype);
  for (size_t done = 0; done < n; done += kSome) {
    const size_t some = std::min(kSome, n - done);
    const auto bytes =
        some / static_cast<size_t>(layout.block_size) * static_cast<size_t>(layout.block_bytes);
    for (size_t at = 0; at < bytes; at += 64) hwy::Prefetch(in + kAhead + at);
    UnpackSome(dtype, in, some, out + done);
    in += bytes;
  }
}

// The 16 values of a block.
inline void FillTable(const float* code, float scale, DType dtype, float* table) {
  for (int c = 0; c < 16; ++c) table[c] = code[c] * scale;
  if (dtype == DType::kF16)
    for (int c = 0; c < 16; ++c) table[c] = static_cast<float>(c10::Half(table[c]));
  if (dtype == DType::kBF16)
    for (int c = 0; c < 16; ++c) {  // to the nearest, half-way to even; the values are finite
      const auto bits = std::bit_cast<uint32_t>(table[c]);
      table[c] = std::bit_cast<float>((bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u);
    }
}

// out[i] = table[code i], n codes, n even.
inline void LookUp(const uint8_t* in, const float* table, size_t n, float* out) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const Floats f;
  const Ints d;
  const size_t lanes = hn::Lanes(f);
  if (lanes >= 8) {
    const hn::Half<hn::Rebind<uint16_t, Floats>> u16;
    const hn::Rebind<uint8_t, decltype(u16)> u8;
    const auto t0 = hn::LoadU(f, table), t1 = hn::LoadU(f, table + (lanes == 8 ? 8 : 0));
    for (; i + lanes <= n; i += lanes) {
      const auto pairs = hn::PromoteTo(u16, hn::LoadU(u8, in + i / 2));
      // The first of a pair is the high half, and must come first in memory.
      const auto codes = hn::Or(hn::ShiftRight<4>(pairs), hn::ShiftLeft<8>(hn::And(pairs, hn::Set(u16, 15))));
      const auto index = hn::PromoteTo(d, hn::BitCast(Bytes(), codes));
      if (lanes == 16) {
        hn::StoreU(hn::TableLookupLanes(t0, hn::IndicesFromVec(f, index)), f, out + i);
      } else {
        const auto place = hn::IndicesFromVec(f, hn::And(index, hn::Set(d, 7)));
        const auto upper = hn::RebindMask(f, hn::Gt(index, hn::Set(d, 7)));
        hn::StoreU(hn::IfThenElse(upper, hn::TableLookupLanes(t1, place), hn::TableLookupLanes(t0, place)), f,
                   out + i);
      }
    }
  }
#endif
  for (; i < n; i += 2) {
    out[i] = table[in[i / 2] >> 4];
    out[i + 1] = table[in[i / 2] & 15];
  }
}

void UnpackFourBit(const uint8_t* in, const float* code, const float* scales, size_t blocks,
                   size_t block_size, DType dtype, float* out) {
  HWY_ALIGN float table[16];
  for (size_t b = 0; b < blocks; ++b) {
    hwy::Prefetch(in + kAhead + b * block_size / 2);
    FillTable(code, scales[b], dtype, table);
    LookUp(in + b * block_size / 2, table, block_size, out + b * block_size);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::kernels {

HWY_EXPORT(Unpack);
HWY_EXPORT(UnpackFourBit);

void unpack(DType dtype, const uint8_t* in, size_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(Unpack)(dtype, in, n, out);
}

void unpack_four_bit(const uint8_t* in, const float* code, const float* scales, size_t blocks,
                     size_t block_size, DType dtype, float* out) {
  HWY_DYNAMIC_DISPATCH(UnpackFourBit)(in, code, scales, blocks, block_size, dtype, out);
}

}  // namespace lora::kernels
#endif  // HWY_ONCE
