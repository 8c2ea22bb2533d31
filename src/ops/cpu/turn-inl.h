// The transpose of a small matrix, in squares that fill vectors of 16 bytes.
// For files that are compiled once for each instruction set, and read again with each: hence no #pragma once.
#if defined(LORA_OPS_CPU_TURN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LORA_OPS_CPU_TURN_INL_H_
#undef LORA_OPS_CPU_TURN_INL_H_
#else
#define LORA_OPS_CPU_TURN_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
// Four rows become columns within each block of 16 bytes: columns[j] has in its blocks the columns j, 4 + j, … of the rows.
template <class D>
HWY_INLINE void TurnBlocks(D d, const float* x, int64_t x_stride, float scale,
                           hwy::HWY_NAMESPACE::Vec<D>* columns) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Repartition<double, D> pairs;
  const auto factor = hn::Set(d, scale);
  const auto row = [&](int64_t i) HWY_ATTR { return hn::Mul(hn::LoadU(d, x + i * x_stride), factor); };
  const auto r0 = row(0), r1 = row(1), r2 = row(2), r3 = row(3);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1)),
             low23 = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3)),
             high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1)),
             high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
  columns[0] = hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23));
  columns[1] = hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23));
  columns[2] = hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23));
  columns[3] = hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23));
}

// Squares of as many rows as a vector of 16 bytes has numbers.
HWY_INLINE void TurnSquare(const float* x, int64_t x_stride, float scale, float* turned,
                           int64_t turned_stride) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Full128<float> d;
  hn::Vec<decltype(d)> columns[4];
  TurnBlocks(d, x, x_stride, scale, columns);
  for (int64_t j = 0; j < 4; ++j) hn::StoreU(columns[j], d, turned + j * turned_stride);
}
HWY_INLINE void TurnSquare(const double* x, int64_t x_stride, double scale, double* turned,
                           int64_t turned_stride) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Full128<double> d;
  const auto factor = hn::Set(d, scale);
  const auto r0 = hn::Mul(hn::LoadU(d, x), factor), r1 = hn::Mul(hn::LoadU(d, x + x_stride), factor);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, turned);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, turned + turned_stride);
}
#endif

#if HWY_TARGET <= HWY_AVX3
// A square of 16 rows of a vector each: 4 x 4 numbers in each block of 16 bytes, then 4 x 4 blocks.
HWY_INLINE void TurnWideSquare(const float* x, int64_t x_stride, float scale, float* turned,
                               int64_t turned_stride) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<float, 16> d;
  using V = hn::Vec<decltype(d)>;
  V blocks[4][4];  // [four rows][column of each block]
  for (int64_t g = 0; g < 4; ++g) TurnBlocks(d, x + 4 * g * x_stride, x_stride, scale, blocks[g]);
  const auto even = [&](V a, V b) HWY_ATTR { return hn::OddEvenBlocks(hn::SwapAdjacentBlocks(b), a); };
  const auto odd = [&](V a, V b) HWY_ATTR { return hn::OddEvenBlocks(b, hn::SwapAdjacentBlocks(a)); };
  for (int64_t j = 0; j < 4; ++j, turned += turned_stride) {
    const V even01 = even(blocks[0][j], blocks[1][j]), even23 = even(blocks[2][j], blocks[3][j]),
            odd01 = odd(blocks[0][j], blocks[1][j]), odd23 = odd(blocks[2][j], blocks[3][j]);
    hn::StoreU(hn::ConcatLowerLower(d, even23, even01), d, turned);
    hn::StoreU(hn::ConcatLowerLower(d, odd23, odd01), d, turned + 4 * turned_stride);
    hn::StoreU(hn::ConcatUpperUpper(d, even23, even01), d, turned + 8 * turned_stride);
    hn::StoreU(hn::ConcatUpperUpper(d, odd23, odd01), d, turned + 12 * turned_stride);
  }
}
#endif

// turned (columns, rows), rows `turned_stride` apart = the transpose of x (rows, columns), rows x_stride apart, times scale.
template <class T>
void Transpose(const T* x, int64_t x_stride, int64_t rows, int64_t columns, T scale, T* turned,
               int64_t turned_stride) {
  int64_t whole_rows = 0, whole_columns = 0;
#if HWY_TARGET != HWY_SCALAR
  constexpr int64_t kSide = 16 / sizeof(T);
  whole_rows = rows / kSide * kSide;
  whole_columns = columns / kSide * kSide;
  int64_t wide_rows = 0, wide_columns = 0;
#if HWY_TARGET <= HWY_AVX3
  if constexpr (sizeof(T) == 4) {
    wide_rows = rows / 16 * 16;
    wide_columns = columns / 16 * 16;
    for (int64_t j = 0; j < wide_columns; j += 16)
      for (int64_t i = 0; i < wide_rows; i += 16)
        TurnWideSquare(x + i * x_stride + j, x_stride, scale, turned + j * turned_stride + i, turned_stride);
  }
#endif
  // Column by column, so that what is written lies together.
  for (int64_t j = 0; j < whole_columns; j += kSide)
    for (int64_t i = j < wide_columns ? wide_rows : 0; i < whole_rows; i += kSide)
      TurnSquare(x + i * x_stride + j, x_stride, scale, turned + j * turned_stride + i, turned_stride);
#endif
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j)
      turned[j * turned_stride + i] = scale * x[i * x_stride + j];
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#endif
