// The products of small_product.h over pairs of bfloat16 (AVX512_BF16), as attention and, on tiles, the adapter have them with
// MatmulPrecision::kMedium: short, with strides, in a near cache; sums are floats. On matrix tiles where there are some (small_tiles.h). One
// thread. Only where pairs::available().
#pragma once

#include <cstdint>

#include "ops/cpu/small_product.h"

namespace lora::ops::cpu {
namespace pairs {

// Two bfloat16 that are multiplied together, the first in the lower half.
using Pair = uint32_t;
constexpr int64_t kPairs = 16;  // of a vector
// How far apart rows of so many pairs stand, where they are read in whole vectors.
constexpr int64_t whole_vectors(int64_t columns) {
  return (columns + kPairs - 1) / kPairs * kPairs;
}

// Two rows of bfloat16 as one of pairs: (1, columns). Without a second one, which is null, its numbers are 0.
void join_rows(const Pair* first, const Pair* second, int64_t columns, Pair* to);
// The same of floats, each the nearest bfloat16; and one row, its numbers side by side, the last of an odd number beside a 0.
void round_rows(const float* first, const float* second, int64_t columns, Pair* to);
void round_row(const float* x, int64_t n, Pair* to);

}  // namespace pairs

// As those of small_product.h; a.row or a.column is 1. A pair of a and one of b give two products; a row of pairs turned is a column of
// pairs. Rows of b are read in whole vectors: kPairs pairs at a time, whose numbers beyond n do not matter but must be there.
void small_product(int64_t m, int64_t n, int64_t k, const LeftFactor<pairs::Pair>& a, const pairs::Pair* b,
                   int64_t b_stride, bool accumulate, float* c, int64_t c_stride);
void turn(const pairs::Pair* x, int64_t x_stride, int64_t rows, int64_t columns, pairs::Pair* turned,
          int64_t turned_stride);
template <>
int64_t small_product_columns<pairs::Pair>();

}  // namespace lora::ops::cpu
