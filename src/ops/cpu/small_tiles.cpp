#include "ops/cpu/small_tiles.h"

#include "ops/cpu/bfloat16_pairs.h"
#include "ops/cpu/tile_unit.h"

#if defined(__x86_64__) && defined(__linux__)

#include <algorithm>
#include <array>

namespace lora::ops::cpu::tiles {
namespace {

using pairs::kPairs;
using pairs::Pair;

constexpr int64_t kRows = 16,
                  kVectors = 4;  // rows and, in vectors, columns of c that are summed up at a time
constexpr int64_t kTurned =
    64;  // pairs of a row that are turned at a time, where columns of a lie side by side

constexpr int64_t kPairBytes = sizeof(Pair);

// Tiles 0 to 3 are sums, 4 and 5 parts of a and b 16 pairs deep, 6 and 7 what is left of the depth.
void configure(int64_t rows, int64_t left_over) {
  static constexpr tile_unit::Shapes kWhole;
  if (rows == kRows && left_over == 0) return tile_unit::configure(kWhole);
  tile_unit::Shapes shapes;
  for (const size_t tile : {0, 1, 2, 3, 4, 6}) shapes.rows[tile] = static_cast<uint8_t>(rows);
  shapes.row_bytes[6] = static_cast<uint16_t>(left_over * kPairBytes);
  shapes.rows[7] = static_cast<uint8_t>(left_over);
  if (left_over == 0) shapes.rows[6] = shapes.rows[7] = 0, shapes.row_bytes[6] = shapes.row_bytes[7] = 0;
  tile_unit::configure(shapes);
}

// Names of tiles are parts of instructions, so they can't be variables. V: sums in use.
template <int V>
[[LORA_TILES]] inline void multiply(const Pair* b, int64_t b_bytes) {
  _tile_loadd(5, b, b_bytes);
  _tile_dpbf16ps(0, 4, 5);
  if constexpr (V > 1) {
    _tile_loadd(5, b + kPairs, b_bytes);
    _tile_dpbf16ps(1, 4, 5);
  }
  if constexpr (V > 2) {
    _tile_loadd(5, b + 2 * kPairs, b_bytes);
    _tile_dpbf16ps(2, 4, 5);
  }
  if constexpr (V > 3) {
    _tile_loadd(5, b + 3 * kPairs, b_bytes);
    _tile_dpbf16ps(3, 4, 5);
  }
}

template <int V>
[[LORA_TILES]] inline void multiply_left_over(const Pair* b, int64_t b_bytes) {
  _tile_loadd(7, b, b_bytes);
  _tile_dpbf16ps(0, 6, 7);
  if constexpr (V > 1) {
    _tile_loadd(7, b + kPairs, b_bytes);
    _tile_dpbf16ps(1, 6, 7);
  }
  if constexpr (V > 2) {
    _tile_loadd(7, b + 2 * kPairs, b_bytes);
    _tile_dpbf16ps(2, 6, 7);
  }
  if constexpr (V > 3) {
    _tile_loadd(7, b + 3 * kPairs, b_bytes);
    _tile_dpbf16ps(3, 6, 7);
  }
}

// c (as many rows as are configured, V vectors) = or += a b; a's rows lie side by side.
template <int V>
[[LORA_TILES]] void sum_up(int64_t k, const Pair* a, int64_t a_stride, const Pair* b, int64_t b_stride,
                           bool accumulate, float* c, int64_t c_stride) {
  const int64_t a_bytes = a_stride * kPairBytes, b_bytes = b_stride * kPairBytes,
                c_bytes = c_stride * static_cast<int64_t>(sizeof(float));
  if (accumulate) {
    _tile_loadd(0, c, c_bytes);
    if constexpr (V > 1) _tile_loadd(1, c + 16, c_bytes);
    if constexpr (V > 2) _tile_loadd(2, c + 32, c_bytes);
    if constexpr (V > 3) _tile_loadd(3, c + 48, c_bytes);
  } else {
    _tile_zero(0);
    if constexpr (V > 1) _tile_zero(1);
    if constexpr (V > 2) _tile_zero(2);
    if constexpr (V > 3) _tile_zero(3);
  }
  int64_t p = 0;
  for (; p + kPairs <= k; p += kPairs) {
    _tile_loadd(4, a + p, a_bytes);
    multiply<V>(b + p * b_stride, b_bytes);
  }
  if (p < k) {
    _tile_loadd(6, a + p, a_bytes);
    multiply_left_over<V>(b + p * b_stride, b_bytes);
  }
  _tile_stored(0, c, c_bytes);
  if constexpr (V > 1) _tile_stored(1, c + 16, c_bytes);
  if constexpr (V > 2) _tile_stored(2, c + 32, c_bytes);
  if constexpr (V > 3) _tile_stored(3, c + 48, c_bytes);
}

// At most V vectors of columns, not all numbers of which need to exist in c.
template <int V>
void strip(int64_t rows, int64_t columns, int64_t k, const Pair* a, int64_t a_stride, const Pair* b,
           int64_t b_stride, bool accumulate, float* c, int64_t c_stride) {
  if constexpr (V > 0) {
    if (columns <= 16 * (V - 1))
      return strip<V - 1>(rows, columns, k, a, a_stride, b, b_stride, accumulate, c, c_stride);
    if (columns == 16 * V) return sum_up<V>(k, a, a_stride, b, b_stride, accumulate, c, c_stride);
    alignas(64) std::array<float, static_cast<size_t>(kRows * 16 * V)> edge;
    if (accumulate)
      for (int64_t i = 0; i < rows; ++i) std::copy_n(c + i * c_stride, columns, edge.data() + i * 16 * V);
    sum_up<V>(k, a, a_stride, b, b_stride, accumulate, edge.data(), 16 * V);
    for (int64_t i = 0; i < rows; ++i) std::copy_n(edge.data() + i * 16 * V, columns, c + i * c_stride);
  }
}

// All columns of as many rows as are configured.
void strips(int64_t rows, int64_t n, int64_t k, const Pair* a, int64_t a_stride, const Pair* b,
            int64_t b_stride, bool accumulate, float* c, int64_t c_stride) {
  for (int64_t j = 0; j < n; j += 16 * kVectors)
    strip<kVectors>(rows, std::min<int64_t>(16 * kVectors, n - j), k, a, a_stride, b + j, b_stride,
                    accumulate, c + j, c_stride);
}

// Rows of pairs, at most 16, whose columns lie `stride` apart, become rows of kTurned pairs side by side.
[[LORA_BFLOAT16]] void turn_rows(const Pair* a, int64_t stride, int64_t rows, int64_t k, Pair* to) {
  const auto exist = static_cast<__mmask16>((1u << rows) - 1);
  for (int64_t p = 0; p < k; p += kPairs) {
    __m512i block[kPairs];
    for (int64_t i = 0; i < kPairs; ++i)
      block[i] = p + i < k ? _mm512_maskz_loadu_epi32(exist, a + (p + i) * stride) : _mm512_setzero_si512();
    bfloat16::turn(block, reinterpret_cast<char*>(to + p), kTurned * kPairBytes);
  }
}

}  // namespace

void small_product(int64_t m, int64_t n, int64_t k, const LeftFactor<Pair>& a, const Pair* b,
                   int64_t b_stride, bool accumulate, float* c, int64_t c_stride) {
  const bool turned = a.column != 1;
  for (int64_t begin = 0; begin < k || begin == 0; begin += kTurned) {
    const int64_t depth = turned ? std::min(kTurned, k - begin) : k;
    for (int64_t row = 0; row < m; row += kRows) {
      const int64_t rows = std::min(kRows, m - row);
      if (row == 0 || rows < kRows) configure(rows, depth % kPairs);
      const Pair *left = a.data + row * a.row + begin * a.column, *right = b + begin * b_stride;
      alignas(64) std::array<Pair, static_cast<size_t>(kRows * kTurned)> room;
      if (turned) turn_rows(left, a.column, rows, depth, room.data());
      strips(rows, n, depth, turned ? room.data() : left, turned ? kTurned : a.row, right, b_stride,
             accumulate || begin > 0, c + row * c_stride, c_stride);
    }
    if (!turned) break;
  }
  tile_unit::release();
}

}  // namespace lora::ops::cpu::tiles

#else

// Never called: there are no tiles.
void lora::ops::cpu::tiles::small_product(int64_t, int64_t, int64_t, const LeftFactor<pairs::Pair>&,
                                          const pairs::Pair*, int64_t, bool, float*, int64_t) {}

#endif
