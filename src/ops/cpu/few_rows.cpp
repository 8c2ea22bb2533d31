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

// A block of sums stays in registers: kRows rows of x by kColumns rows of w where a vector runs along a row (Along), kVectors
// vectors of rows of x by kAcross rows of w where it runs across rows (Across). At most 24 sums where there are 32
// registers, else 12; with less than kLeast vectors too few to keep the multipliers busy.
#if HWY_TARGET <= HWY_AVX3
constexpr int kRows = 6, kAcross = 8, kLeast = 1;
#else
constexpr int kRows = 3, kAcross = 4, kLeast = 2;
#endif
constexpr int kColumns = 4, kVectors = 3;

template <class T>
int64_t Lanes() {
  return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
}

// How many of m rows go side by side into vectors. What is left over, too little to fill one, is multiplied along its rows.
template <class T>
int64_t RowsAcross(int64_t m) {
  const int64_t left = m % Lanes<T>(), across = left <= 2 * kRows ? m - left : m;
  return across < kLeast * Lanes<T>() ? 0 : across;
}

#if HWY_TARGET != HWY_SCALAR
// The sums of four vectors, as a vector of four, with far fewer steps than one after the other.
template <class D, class V>
HWY_INLINE auto SumOfBlocks(D, V v) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return SumOfBlocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}
template <class D, class V>
HWY_INLINE auto FourSums(D d, V a, V b, V c, V e) {
  const auto ac = hn::Add(hn::InterleaveLower(d, a, c), hn::InterleaveUpper(d, a, c));
  const auto be = hn::Add(hn::InterleaveLower(d, b, e), hn::InterleaveUpper(d, b, e));
  return SumOfBlocks(d, hn::Add(hn::InterleaveLower(d, ac, be), hn::InterleaveUpper(d, ac, be)));
}
#endif

// y (M, N) (+)= x w^T over k numbers.
template <int M, int N, class T>
HWY_INLINE void Along(const T* x, const T* w, int64_t k, bool accumulate, T* y, int64_t y_stride) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = Lanes<T>();
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
  for (int i = 0; i < M; ++i) {
    T* out = y + i * y_stride;
#if HWY_TARGET != HWY_SCALAR
    if constexpr (N == 4 && sizeof(T) == 4) {
      if (at == k) {
        const hn::CappedTag<T, 4> four;
        const auto total = FourSums(d, sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
        hn::StoreU(accumulate ? hn::Add(hn::LoadU(four, out), total) : total, four, out);
        continue;
      }
    }
#endif
    for (int j = 0; j < N; ++j) {
      T sum = hn::GetLane(hn::SumOfLanes(d, sums[i][j]));
      for (int64_t rest = at; rest < k; ++rest) sum += x[i * k + rest] * w[j * k + rest];
      out[j] = accumulate ? out[j] + sum : sum;
    }
  }
}

// The first `rows` of V vectors of rows that lie side by side, xt (k, stride): y (rows, N) (+)= x w^T.
template <int V, int N, class T>
HWY_INLINE void Across(const T* xt, int64_t stride, int64_t rows, const T* w, int64_t k, bool accumulate,
                       T* y, int64_t y_stride) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = Lanes<T>();
  hn::Vec<decltype(d)> sums[N][V];
  for (int j = 0; j < N; ++j)
    for (int v = 0; v < V; ++v) sums[j][v] = hn::Zero(d);
  for (int64_t at = 0; at < k; ++at) {
    hn::Vec<decltype(d)> xs[V];
    for (int v = 0; v < V; ++v) xs[v] = hn::Load(d, xt + at * stride + v * lanes);
    for (int j = 0; j < N; ++j) {
      const auto number = hn::Set(d, w[j * k + at]);
      for (int v = 0; v < V; ++v) sums[j][v] = hn::MulAdd(xs[v], number, sums[j][v]);
    }
  }
  HWY_ALIGN T turned[N][V * hn::MaxLanes(d)];
  for (int j = 0; j < N; ++j)
    for (int v = 0; v < V; ++v) hn::Store(sums[j][v], d, turned[j] + v * lanes);
  for (int64_t i = 0; i < std::min(rows, V * lanes); ++i)
    for (int j = 0; j < N; ++j) {
      T& out = y[i * y_stride + j];
      out = accumulate ? out + turned[j][i] : turned[j][i];
    }
}

// As many rows of x as there are, at most M, or V vectors of them.
template <int M, int N, class T>
void AlongAny(const T* x, int64_t m, const T* w, int64_t k, bool accumulate, T* y, int64_t y_stride) {
  if constexpr (M > 0) {
    if (m == M) return Along<M, N>(x, w, k, accumulate, y, y_stride);
    AlongAny<M - 1, N>(x, m, w, k, accumulate, y, y_stride);
  }
}
template <int V, int N, class T>
void AcrossAny(const T* xt, int64_t stride, int64_t rows, const T* w, int64_t k, bool accumulate, T* y,
               int64_t y_stride) {
  if constexpr (V > 0) {
    if (rows > (V - 1) * Lanes<T>()) return Across<V, N>(xt, stride, rows, w, k, accumulate, y, y_stride);
    AcrossAny<V - 1, N>(xt, stride, rows, w, k, accumulate, y, y_stride);
  }
}

template <class T>
void Product(const FewRows<T>& x, const T* w, int64_t n, bool accumulate, T* y, int64_t y_stride) {
  const int64_t k = x.k, across = RowsAcross<T>(x.m), vectors = x.stride / Lanes<T>();
  const int64_t groups = (vectors + kVectors - 1) / kVectors;  // as even as can be
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t i = vectors * g / groups * Lanes<T>();
    const int64_t rows = std::min(vectors * (g + 1) / groups * Lanes<T>(), across) - i;
    int64_t j = 0;
    for (; j + kAcross <= n; j += kAcross)
      AcrossAny<kVectors, kAcross>(x.turned + i, x.stride, rows, w + j * k, k, accumulate,
                                   y + i * y_stride + j, y_stride);
    for (; j < n; ++j)
      AcrossAny<kVectors, 1>(x.turned + i, x.stride, rows, w + j * k, k, accumulate, y + i * y_stride + j,
                             y_stride);
  }
  for (int64_t i = across; i < x.m; i += kRows) {
    const int64_t rows = std::min<int64_t>(kRows, x.m - i);
    int64_t j = 0;
    for (; j + kColumns <= n; j += kColumns)
      AlongAny<kRows, kColumns>(x.rows + i * k, rows, w + j * k, k, accumulate, y + i * y_stride + j,
                                y_stride);
    for (; j < n; ++j)
      AlongAny<kRows, 1>(x.rows + i * k, rows, w + j * k, k, accumulate, y + i * y_stride + j, y_stride);
  }
}

template <class T>
int64_t Stride(int64_t m) {
  const int64_t lanes = Lanes<T>();
  return (RowsAcross<T>(m) + lanes - 1) / lanes * lanes;
}

template <class T>
void Turn(const T* x, int64_t m, int64_t k, T* out) {
  const int64_t stride = Stride<T>(m), across = std::min(m, stride);
  for (int64_t at = 0; at < k; ++at, out += stride) {
    for (int64_t i = 0; i < across; ++i) out[i] = x[i * k + at];
    std::fill(out + across, out + stride, T{0});
  }
}

void ProductF(const FewRows<float>& x, const float* w, int64_t n, bool accumulate, float* y,
              int64_t y_stride) {
  Product(x, w, n, accumulate, y, y_stride);
}
void ProductD(const FewRows<double>& x, const double* w, int64_t n, bool accumulate, double* y,
              int64_t y_stride) {
  Product(x, w, n, accumulate, y, y_stride);
}
int64_t StrideF(int64_t m) {
  return Stride<float>(m);
}
int64_t StrideD(int64_t m) {
  return Stride<double>(m);
}
void TurnF(const float* x, int64_t m, int64_t k, float* out) {
  Turn(x, m, k, out);
}
void TurnD(const double* x, int64_t m, int64_t k, double* out) {
  Turn(x, m, k, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::ops::cpu {

HWY_EXPORT(ProductF);
HWY_EXPORT(ProductD);
HWY_EXPORT(StrideF);
HWY_EXPORT(StrideD);
HWY_EXPORT(TurnF);
HWY_EXPORT(TurnD);

template <>
int64_t few_rows_stride<float>(int64_t m) {
  return HWY_DYNAMIC_DISPATCH(StrideF)(m);
}
template <>
int64_t few_rows_stride<double>(int64_t m) {
  return HWY_DYNAMIC_DISPATCH(StrideD)(m);
}
void turn_rows(const float* x, int64_t m, int64_t k, float* out) {
  HWY_DYNAMIC_DISPATCH(TurnF)(x, m, k, out);
}
void turn_rows(const double* x, int64_t m, int64_t k, double* out) {
  HWY_DYNAMIC_DISPATCH(TurnD)(x, m, k, out);
}
void few_rows_product(const FewRows<float>& x, const float* w, int64_t n, bool accumulate, float* y,
                      int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(ProductF)(x, w, n, accumulate, y, y_stride);
}
void few_rows_product(const FewRows<double>& x, const double* w, int64_t n, bool accumulate, double* y,
                      int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(ProductD)(x, w, n, accumulate, y, y_stride);
}

}  // namespace lora::ops::cpu
#endif
