#include "ops/cpu/small_tiles.h"

#include "ops/cpu/bfloat16_pairs.h"
#include "ops/cpu/tile_unit.h"

#if defined(__x86_64__) && defined(__linux__)

#include <algorithm>
#include <array>
#include <utility>

namespace lora::ops::cpu::tiles {
namespace {

using pairs::kPairs;
using pairs::Pair;

// Rows, and columns in vectors, of c that are summed up at a time.
constexpr int64_t kRows = 16;
constexpr int kVectors = 4;
// Pairs of a row that are turned at a time, where columns of a lie side by side.
constexpr int64_t kTurned = 64;
constexpr int64_t kPairBytes = sizeof(Pair);

// Tiles 0 to kVectors - 1 are sums, these parts of a and b, 16 pairs deep, and what is left over of the depth.
constexpr int kLeft = 4, kRight = 5, kLeftRest = 6, kRightRest = 7;

void configure(int64_t rows, int64_t rest) {
  if (rows == kRows && rest == 0) return tile_unit::configure(tile_unit::kWhole);
  tile_unit::Shapes shapes;
  for (const int tile : {0, 1, 2, 3, kLeft})
    shapes.rows[static_cast<size_t>(tile)] = static_cast<uint8_t>(rows);
  shapes.rows[kLeftRest] = static_cast<uint8_t>(rest > 0 ? rows : 0);
  shapes.row_bytes[kLeftRest] = static_cast<uint16_t>(rest * kPairBytes);
  shapes.rows[kRightRest] = static_cast<uint8_t>(rest);
  if (rest == 0) shapes.row_bytes[kRightRest] = 0;
  tile_unit::configure(shapes);
}

// c (as many rows as are configured, a vector for each of Sums) = or += a b; a's rows lie side by side.
template <int... Sums>
void sum_up(std::integer_sequence<int, Sums...>, int64_t k, const Pair* a, int64_t a_stride, const Pair* b,
            int64_t b_stride, bool accumulate, float* c, int64_t c_stride) {
  const int64_t a_bytes = a_stride * kPairBytes, b_bytes = b_stride * kPairBytes,
                c_bytes = c_stride * static_cast<int64_t>(sizeof(float));
  if (accumulate)
    (tile_unit::load<Sums>(c + 16 * Sums, c_bytes), ...);
  else
    (tile_unit::zero<Sums>(), ...);
  int64_t p = 0;
  for (; p + kPairs <= k; p += kPairs) {
    tile_unit::load<kLeft>(a + p, a_bytes);
    ((tile_unit::load<kRight>(b + p * b_stride + kPairs * Sums, b_bytes),
      tile_unit::multiply<Sums, kLeft, kRight>()),
     ...);
  }
  if (p < k) {
    tile_unit::load<kLeftRest>(a + p, a_bytes);
    ((tile_unit::load<kRightRest>(b + p * b_stride + kPairs * Sums, b_bytes),
      tile_unit::multiply<Sums, kLeftRest, kRightRest>()),
     ...);
  }
  (tile_unit::store<Sums>(c + 16 * Sums, c_bytes), ...);
}

// At most V vectors of columns, not all numbers of which need to exist in c.
template <int V>
void strip(int64_t rows, int64_t columns, int64_t k, const Pair* a, int64_t a_stride, const Pair* b,
           int64_t b_stride, bool accumulate, float* c, int64_t c_stride) {
  if constexpr (V > 0) {
    if (columns <= 16 * (V - 1))
      return strip<V - 1>(rows, columns, k, a, a_stride, b, b_stride, accumulate, c, c_stride);
    constexpr std::make_integer_sequence<int, V> kSums;
    if (columns == 16 * V) return sum_up(kSums, k, a, a_stride, b, b_stride, accumulate, c, c_stride);
    alignas(64) std::array<float, static_cast<size_t>(kRows * 16 * V)> edge;
    if (accumulate)
      for (int64_t i = 0; i < rows; ++i) std::copy_n(c + i * c_stride, columns, edge.data() + i * 16 * V);
    sum_up(kSums, k, a, a_stride, b, b_stride, accumulate, edge.data(), 16 * V);
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
