#include "ops/cpu/small_pairs.h"

#include "ops/cpu/bfloat16_pairs.h"
#include "ops/cpu/small_tiles.h"
#include "ops/cpu/tiles.h"

#if defined(__x86_64__) && defined(__linux__)

#include <algorithm>

namespace lora::ops::cpu {
namespace pairs {
namespace {

constexpr int kVectors = 4;  // columns that are summed up at a time, in vectors
constexpr int kSums = 24;    // registers that hold sums

// As small_product.cpp, but for two sums of a number where registers are free, and sums of at most some hundred products: of numbers of
// 8 bits their rounding does not show. As many rows as there are registers, but no more than a near cache has ways for.
constexpr int rows_of(int vectors) {
  return std::min(12, kSums / vectors);
}

__mmask16 first(int64_t count) {
  return static_cast<__mmask16>((1u << std::clamp<int64_t>(count, 0, kPairs)) - 1);
}

[[LORA_BFLOAT16]] inline __m512i pairs_at(const Pair* from, __mmask16 mask) {
  return _mm512_maskz_loadu_epi32(mask, from);
}

// c (M rows, V vectors, of the last those of `last`) = or += a b. No masked loads in the loop, around which sums would not stay in
// registers (GCC 12).
template <int M, int V>
[[LORA_BFLOAT16]] void tile(int64_t k, const LeftFactor<Pair>& a, const Pair* b, int64_t b_stride,
                            __mmask16 last, bool accumulate, float* c, int64_t c_stride) {
  const auto mask = [&](int v) { return v + 1 == V ? last : __mmask16{0xffff}; };
  const Pair* left = a.data;
  const int64_t row = a.row, column = a.column;
  __m512 sums[M][V];
  for (int i = 0; i < M; ++i)
    for (int v = 0; v < V; ++v)
      sums[i][v] =
          accumulate ? _mm512_maskz_loadu_ps(mask(v), c + i * c_stride + 16 * v) : _mm512_setzero_ps();
  for (int64_t p = 0; p < k; ++p, b += b_stride, left += column) {
    __m512bh columns[V];
    for (int v = 0; v < V; ++v) columns[v] = reinterpret_cast<__m512bh>(_mm512_loadu_ps(b + 16 * v));
    for (int i = 0; i < M; ++i) {
      const auto pair = reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(left[i * row])));
      for (int v = 0; v < V; ++v) sums[i][v] = _mm512_dpbf16_ps(sums[i][v], pair, columns[v]);
    }
  }
  for (int i = 0; i < M; ++i)
    for (int v = 0; v < V; ++v) _mm512_mask_storeu_ps(c + i * c_stride + 16 * v, mask(v), sums[i][v]);
}

// A tile of `rows` rows, at most M.
template <int M, int V>
void tile_of(int64_t rows, int64_t k, const LeftFactor<Pair>& a, const Pair* b, int64_t b_stride,
             __mmask16 last, bool accumulate, float* c, int64_t c_stride) {
  if constexpr (M > 0) {
    if (rows == M) return tile<M, V>(k, a, b, b_stride, last, accumulate, c, c_stride);
    tile_of<M - 1, V>(rows, k, a, b, b_stride, last, accumulate, c, c_stride);
  }
}

// All rows of at most V vectors of columns.
template <int V>
void strip(int64_t m, int64_t columns, int64_t k, const LeftFactor<Pair>& a, const Pair* b, int64_t b_stride,
           bool accumulate, float* c, int64_t c_stride) {
  if constexpr (V > 0) {
    if (columns <= 16 * (V - 1)) return strip<V - 1>(m, columns, k, a, b, b_stride, accumulate, c, c_stride);
    const int64_t tiles = (m + rows_of(V) - 1) / rows_of(V);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t row = m * t / tiles, rows = m * (t + 1) / tiles - row;
      tile_of<rows_of(V), V>(rows, k, LeftFactor<Pair>{a.data + row * a.row, a.row, a.column}, b, b_stride,
                             first(columns - 16 * (V - 1)), accumulate, c + row * c_stride, c_stride);
    }
  }
}

}  // namespace

[[LORA_BFLOAT16]] void join_rows(const Pair* first_row, const Pair* second_row, int64_t columns, Pair* to) {
  alignas(64) static constexpr auto kPlaces = [] {
    std::array<uint16_t, 32> places{};
    for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<uint16_t>(i / 2 + i % 2 * 32);
    return places;
  }();
  const __m512i places = _mm512_load_si512(kPlaces.data());
  for (int64_t column = 0; column < columns; column += 16) {
    const int64_t pairs = (columns - column + 1) / 2;
    const __mmask16 some = first(std::min<int64_t>(pairs, 8));
    const __m512i low = pairs_at(first_row + column / 2, some),
                  high = second_row ? pairs_at(second_row + column / 2, some) : _mm512_setzero_si512();
    _mm512_mask_storeu_epi32(to + column, first(columns - column),
                             _mm512_permutex2var_epi16(low, places, high));
  }
}

[[LORA_BFLOAT16]] void round_row(const float* x, int64_t n, Pair* to) {
  for (int64_t i = 0; i < n; i += 32)
    _mm512_mask_storeu_epi32(
        to + i / 2, first((n - i + 1) / 2),
        bfloat16::rounded(bfloat16::some(x + i, n - i), bfloat16::some(x + i + 16, n - i - 16)));
}

[[LORA_BFLOAT16]] void round_rows(const float* first_row, const float* second_row, int64_t n, Pair* to) {
  for (int64_t i = 0; i < n; i += 16)
    _mm512_mask_storeu_epi32(
        to + i, first(n - i),
        bfloat16::rounded_pairs(bfloat16::some(first_row + i, n - i),
                                second_row ? bfloat16::some(second_row + i, n - i) : _mm512_setzero_ps()));
}

}  // namespace pairs

void small_product(int64_t m, int64_t n, int64_t k, const LeftFactor<pairs::Pair>& a, const pairs::Pair* b,
                   int64_t b_stride, bool accumulate, float* c, int64_t c_stride) {
  if (tiles::available()) return tiles::small_product(m, n, k, a, b, b_stride, accumulate, c, c_stride);
  for (int64_t j = 0; j < n; j += pairs::kPairs * pairs::kVectors)
    pairs::strip<pairs::kVectors>(m, std::min<int64_t>(pairs::kPairs * pairs::kVectors, n - j), k, a, b + j,
                                  b_stride, accumulate, c + j, c_stride);
}

[[LORA_BFLOAT16]] void turn(const pairs::Pair* x, int64_t x_stride, int64_t rows, int64_t columns,
                            pairs::Pair* turned, int64_t turned_stride) {
  for (int64_t row = 0; row < rows; row += 16)
    for (int64_t p = 0; p < columns; p += 16) {
      __m512i block[16];
      for (int64_t i = 0; i < 16; ++i)
        block[i] = row + i < rows ? pairs::pairs_at(x + (row + i) * x_stride + p, pairs::first(columns - p))
                                  : _mm512_setzero_si512();
      alignas(64) std::array<pairs::Pair, 16 * 16> squares;
      bfloat16::turn(block, reinterpret_cast<char*>(squares.data()), 64);
      for (int64_t i = 0; i < std::min<int64_t>(16, columns - p); ++i)
        _mm512_mask_storeu_epi32(turned + (p + i) * turned_stride + row, pairs::first(rows - row),
                                 _mm512_load_si512(squares.data() + 16 * i));
    }
}

template <>
int64_t small_product_columns<pairs::Pair>() {
  return pairs::kPairs * pairs::kVectors;
}

}  // namespace lora::ops::cpu

#else

// Never called: there are no such vectors.
namespace lora::ops::cpu {

void pairs::join_rows(const Pair*, const Pair*, int64_t, Pair*) {}
void pairs::round_rows(const float*, const float*, int64_t, Pair*) {}
void pairs::round_row(const float*, int64_t, Pair*) {}
void small_product(int64_t, int64_t, int64_t, const LeftFactor<pairs::Pair>&, const pairs::Pair*, int64_t,
                   bool, float*, int64_t) {}
void turn(const pairs::Pair*, int64_t, int64_t, int64_t, pairs::Pair*, int64_t) {}
template <>
int64_t small_product_columns<pairs::Pair>() {
  return 1;
}

}  // namespace lora::ops::cpu

#endif
