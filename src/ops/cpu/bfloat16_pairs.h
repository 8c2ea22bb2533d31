// Floats as pairs of bfloat16 in vectors of 512 bits, which instructions multiply two at a time: what products on tiles (tiles.h,
// small_tiles.h) and on vectors (pairs.h, small_pairs.h) share. Only for functions that are compiled for LORA_BFLOAT16 or more.
#pragma once

#if defined(__x86_64__) && defined(__linux__)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstdint>

#if defined(__GNUC__) && !defined(__clang__)
// Intrinsics without a mask leave a register undefined on purpose.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define LORA_BFLOAT16 gnu::target("avx512f,avx512bw,avx512bf16")

namespace lora::ops::cpu::bfloat16 {

// The first `count` of 16 numbers, at most all and at least none; the others are 0.
[[LORA_BFLOAT16]] inline __m512 some(const float* from, int64_t count) {
  if (count >= 16) [[likely]]
    return _mm512_loadu_ps(from);
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << std::max<int64_t>(count, 0)) - 1), from);
}

// The nearest bfloat16 of 32 floats, side by side; what is not finite stays so, what is below 1e-38 becomes 0.
[[LORA_BFLOAT16]] inline __m512i rounded(__m512 first, __m512 second) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
}

// The same, number i of both a pair.
[[LORA_BFLOAT16]] inline __m512i rounded_pairs(__m512 first, __m512 second) {
  alignas(64) static constexpr auto kPairs = [] {
    std::array<uint16_t, 32> places{};
    for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<uint16_t>(i / 2 + i % 2 * 16);
    return places;
  }();
  return _mm512_permutexvar_epi16(_mm512_load_si512(kPairs.data()), rounded(first, second));
}

// 16 rows of 16 pairs become 16 rows of one pair of each, so many bytes apart, a multiple of 64.
[[LORA_BFLOAT16]] inline void turn(const __m512i* rows, char* to, int64_t stride) {
  __m512i a[16], b[16];
  for (int i = 0; i < 8; ++i) {  // pairs of rows
    a[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    a[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
  }
  for (int i = 0; i < 4; ++i)  // fours
    for (int j = 0; j < 2; ++j) {
      b[4 * i + 2 * j] = _mm512_unpacklo_epi64(a[4 * i + j], a[4 * i + 2 + j]);
      b[4 * i + 2 * j + 1] = _mm512_unpackhi_epi64(a[4 * i + j], a[4 * i + 2 + j]);
    }
  for (int j = 0; j < 4; ++j) {  // columns j, j + 4, j + 8, j + 12 of all
    const __m512i low = _mm512_shuffle_i32x4(b[j], b[4 + j], 0x88),
                  high = _mm512_shuffle_i32x4(b[j], b[4 + j], 0xdd),
                  low2 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0x88),
                  high2 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0xdd);
    _mm512_store_si512(to + j * stride, _mm512_shuffle_i32x4(low, low2, 0x88));
    _mm512_store_si512(to + (j + 4) * stride, _mm512_shuffle_i32x4(high, high2, 0x88));
    _mm512_store_si512(to + (j + 8) * stride, _mm512_shuffle_i32x4(low, low2, 0xdd));
    _mm512_store_si512(to + (j + 12) * stride, _mm512_shuffle_i32x4(high, high2, 0xdd));
  }
}

}  // namespace lora::ops::cpu::bfloat16

#endif
