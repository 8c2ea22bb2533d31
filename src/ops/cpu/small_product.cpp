// See small_product.h. The body is compiled once for each instruction set that Highway knows for this processor family.
#include "ops/cpu/small_product.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/small_product.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>

#include "ops/cpu/part_vector-inl.h"
#include "ops/cpu/register_tile-inl.h"
#include "ops/cpu/turn-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {
namespace {  // panels.cpp has functions of these names
namespace hn = hwy::HWY_NAMESPACE;

// Products that are added up in registers before the sum is added to c: rounding errors grow with the length of such a run.
constexpr int64_t kRun = 256;

// Rows of a tile of V vectors: as many sums as registers hold, but no more rows than a near cache has ways for.
constexpr int RowsOf(int vectors) {
  return std::min(12, kRows * kVectors / vectors);
}

// c (M rows, V vectors) = or += a b. kPart: of the only vector, the first `columns` numbers exist. Where rows and vectors leave
// registers free, the depths 0, kSteps, … have a sum of their own, and so have 1, kSteps + 1, …: none waits for the one before it.
template <int M, int V, bool kPart, class T>
HWY_INLINE void Tile(int64_t k, const T* HWY_RESTRICT a, int64_t a_row, int64_t a_column,
                     const T* HWY_RESTRICT b, int64_t b_stride, int64_t columns, bool accumulate,
                     T* HWY_RESTRICT c, int64_t c_stride) {
  static_assert(!kPart || V == 1);
  const hn::ScalableTag<T> d;
  const int64_t lanes = Lanes<T>();
  constexpr int kSteps = kRows * kVectors / (RowsOf(V) * V);
  hn::Vec<decltype(d)> sums[kSteps][M][V];
  for (int s = 0; s < kSteps; ++s)
    for (int i = 0; i < M; ++i)
      for (int v = 0; v < V; ++v) sums[s][i][v] = hn::Zero(d);
  for (int64_t p = 0; p < k;) {
    const int steps = kSteps == 1 ? 1 : static_cast<int>(std::min<int64_t>(kSteps, k - p));
    for (int s = 0; s < kSteps; ++s) {
      if (s == steps) break;
      hn::Vec<decltype(d)> w[V];
      for (int v = 0; v < V; ++v) {
        if constexpr (kPart)
          w[v] = LoadPart(d, b, columns);
        else
          w[v] = hn::LoadU(d, b + v * lanes);
      }
      for (int i = 0; i < M; ++i) {
        const auto number = hn::Set(d, a[i * a_row]);
        for (int v = 0; v < V; ++v) sums[s][i][v] = hn::MulAdd(number, w[v], sums[s][i][v]);
      }
      a += a_column;
      b += b_stride;
    }
    p += steps;
  }
  for (int i = 0; i < M; ++i)
    for (int v = 0; v < V; ++v) {
      auto sum = sums[0][i][v];
      for (int s = 1; s < kSteps; ++s) sum = hn::Add(sum, sums[s][i][v]);
      T* place = c + i * c_stride + v * lanes;
      if constexpr (kPart)
        StorePart(accumulate ? hn::Add(sum, LoadPart(d, place, columns)) : sum, d, place, columns);
      else
        hn::StoreU(accumulate ? hn::Add(sum, hn::LoadU(d, place)) : sum, d, place);
    }
}

// A tile of `rows` rows, at most M.
template <int M, int V, bool kPart, class T>
void TileOf(int64_t rows, int64_t k, const T* a, int64_t a_row, int64_t a_column, const T* b,
            int64_t b_stride, int64_t columns, bool accumulate, T* c, int64_t c_stride) {
  if constexpr (M > 0) {
    if (rows == M)
      return Tile<M, V, kPart>(k, a, a_row, a_column, b, b_stride, columns, accumulate, c, c_stride);
    TileOf<M - 1, V, kPart>(rows, k, a, a_row, a_column, b, b_stride, columns, accumulate, c, c_stride);
  }
}

// All rows of V vectors of columns.
template <int V, bool kPart, class T>
void Strip(int64_t m, int64_t k, const LeftFactor<T>& a, const T* b, int64_t b_stride, int64_t columns,
           bool accumulate, T* c, int64_t c_stride) {
  const int64_t tiles = (m + RowsOf(V) - 1) / RowsOf(V);
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t row = m * t / tiles, rows = m * (t + 1) / tiles - row;
    TileOf<RowsOf(V), V, kPart>(rows, k, a.data + row * a.row, a.row, a.column, b, b_stride, columns,
                                accumulate, c + row * c_stride, c_stride);
  }
}

template <class T>
void Product(int64_t m, int64_t n, int64_t k, const LeftFactor<T>& a, const T* b, int64_t b_stride,
             bool accumulate, T* c, int64_t c_stride) {
  const int64_t lanes = Lanes<T>(), runs = std::max<int64_t>(1, (k + kRun - 1) / kRun);
  for (int64_t run = 0; run < runs; ++run) {
    const int64_t begin = k * run / runs, depth = k * (run + 1) / runs - begin;
    const LeftFactor<T> left{a.data + begin * a.column, a.row, a.column};
    const T* right = b + begin * b_stride;
    int64_t j = 0;
    for (; j + kVectors * lanes <= n; j += kVectors * lanes)
      Strip<kVectors, false>(m, depth, left, right + j, b_stride, 0, accumulate, c + j, c_stride);
    if constexpr (kVectors > 2)
      for (; j + 2 * lanes <= n; j += 2 * lanes)
        Strip<2, false>(m, depth, left, right + j, b_stride, 0, accumulate, c + j, c_stride);
    for (; j + lanes <= n; j += lanes)
      Strip<1, false>(m, depth, left, right + j, b_stride, 0, accumulate, c + j, c_stride);
    if (j < n) Strip<1, true>(m, depth, left, right + j, b_stride, n - j, accumulate, c + j, c_stride);
    accumulate = true;
  }
}

void ProductF(int64_t m, int64_t n, int64_t k, const LeftFactor<float>& a, const float* b, int64_t b_stride,
              bool accumulate, float* c, int64_t c_stride) {
  Product(m, n, k, a, b, b_stride, accumulate, c, c_stride);
}
void ProductD(int64_t m, int64_t n, int64_t k, const LeftFactor<double>& a, const double* b, int64_t b_stride,
              bool accumulate, double* c, int64_t c_stride) {
  Product(m, n, k, a, b, b_stride, accumulate, c, c_stride);
}
int64_t ColumnsF() {
  return kVectors * Lanes<float>();
}
int64_t ColumnsD() {
  return kVectors * Lanes<double>();
}
void TurnF(const float* x, int64_t x_stride, int64_t rows, int64_t columns, float* turned,
           int64_t turned_stride) {
  Transpose(x, x_stride, rows, columns, 1.0f, turned, turned_stride);
}
void TurnD(const double* x, int64_t x_stride, int64_t rows, int64_t columns, double* turned,
           int64_t turned_stride) {
  Transpose(x, x_stride, rows, columns, 1.0, turned, turned_stride);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::ops::cpu {

HWY_EXPORT(ProductF);
HWY_EXPORT(ProductD);
HWY_EXPORT(ColumnsF);
HWY_EXPORT(ColumnsD);
HWY_EXPORT(TurnF);
HWY_EXPORT(TurnD);

void small_product(int64_t m, int64_t n, int64_t k, const LeftFactor<float>& a, const float* b,
                   int64_t b_stride, bool accumulate, float* c, int64_t c_stride) {
  HWY_DYNAMIC_DISPATCH(ProductF)(m, n, k, a, b, b_stride, accumulate, c, c_stride);
}
void small_product(int64_t m, int64_t n, int64_t k, const LeftFactor<double>& a, const double* b,
                   int64_t b_stride, bool accumulate, double* c, int64_t c_stride) {
  HWY_DYNAMIC_DISPATCH(ProductD)(m, n, k, a, b, b_stride, accumulate, c, c_stride);
}
template <>
int64_t small_product_columns<float>() {
  return HWY_DYNAMIC_DISPATCH(ColumnsF)();
}
template <>
int64_t small_product_columns<double>() {
  return HWY_DYNAMIC_DISPATCH(ColumnsD)();
}
void turn(const float* x, int64_t x_stride, int64_t rows, int64_t columns, float* turned,
          int64_t turned_stride) {
  HWY_DYNAMIC_DISPATCH(TurnF)(x, x_stride, rows, columns, turned, turned_stride);
}
void turn(const double* x, int64_t x_stride, int64_t rows, int64_t columns, double* turned,
          int64_t turned_stride) {
  HWY_DYNAMIC_DISPATCH(TurnD)(x, x_stride, rows, columns, turned, turned_stride);
}

}  // namespace lora::ops::cpu
#endif
