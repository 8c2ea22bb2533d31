// See few_rows.h. The body is compiled once for each instruction set that Highway knows for this processor family.
#include "ops/cpu/few_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/few_rows.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Sums that a block of M rows of x and N rows of w keeps in registers: 24 where there are 32 registers, else 12.
#if HWY_TARGET <= HWY_AVX3
constexpr int kM = 6;
#else
constexpr int kM = 3;
#endif
constexpr int kN = 4;

// y (M, N) (+)= x w^T over k numbers.
template <int M, int N, class T>
HWY_INLINE void Block(const T* x, const T* w, int64_t k, bool accumulate, T* y, int64_t y_stride) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<decltype(d)> sums[M][N];
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) sums[i][j] = hn::Zero(d);
  int64_t at = 0;
  for (; at + lanes <= k; at += lanes) {
    hn::Vec<decltype(d)> xs[M];
    for (int i = 0; i < M; ++i) xs[i] = hn::LoadU(d, x + i * k + at);
    for (int j = 0; j < N; ++j) {
      const auto v = hn::LoadU(d, w + j * k + at);
      for (int i = 0; i < M; ++i) sums[i][j] = hn::MulAdd(xs[i], v, sums[i][j]);
    }
  }
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) {
      T sum = hn::GetLane(hn::SumOfLanes(d, sums[i][j]));
      for (int64_t rest = at; rest < k; ++rest) sum += x[i * k + rest] * w[j * k + rest];
      T& out = y[i * y_stride + j];
      out = accumulate ? out + sum : sum;
    }
}

// M rows of x, M decided when it runs.
template <int M, int N, class T>
void Rows(const T* x, int64_t m, const T* w, int64_t k, bool accumulate, T* y, int64_t y_stride) {
  if constexpr (M > 0) {
    if (m == M) return Block<M, N>(x, w, k, accumulate, y, y_stride);
    Rows<M - 1, N>(x, m, w, k, accumulate, y, y_stride);
  }
}

template <int N, class T>
void Columns(const T* x, int64_t m, const T* w, int64_t k, bool accumulate, T* y, int64_t y_stride) {
  for (int64_t i = 0; i < m; i += kM)
    Rows<kM, N>(x + i * k, std::min<int64_t>(kM, m - i), w, k, accumulate, y + i * y_stride, y_stride);
}

template <class T>
void Product(const T* x, int64_t m, const T* w, int64_t n, int64_t k, bool accumulate, T* y,
             int64_t y_stride) {
  int64_t j = 0;
  for (; j + kN <= n; j += kN) Columns<kN>(x, m, w + j * k, k, accumulate, y + j, y_stride);
  for (; j < n; ++j) Columns<1>(x, m, w + j * k, k, accumulate, y + j, y_stride);
}

void ProductF(const float* x, int64_t m, const float* w, int64_t n, int64_t k, bool accumulate, float* y,
              int64_t y_stride) {
  Product(x, m, w, n, k, accumulate, y, y_stride);
}
void ProductD(const double* x, int64_t m, const double* w, int64_t n, int64_t k, bool accumulate, double* y,
              int64_t y_stride) {
  Product(x, m, w, n, k, accumulate, y, y_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::ops::cpu {

HWY_EXPORT(ProductF);
HWY_EXPORT(ProductD);

void few_rows_product(const float* x, int64_t m, const float* w, int64_t n, int64_t k, bool accumulate,
                      float* y, int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(ProductF)(x, m, w, n, k, accumulate, y, y_stride);
}
void few_rows_product(const double* x, int64_t m, const double* w, int64_t n, int64_t k, bool accumulate,
                      double* y, int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(ProductD)(x, m, w, n, k, accumulate, y, y_stride);
}

}  // namespace lora::ops::cpu
#endif
