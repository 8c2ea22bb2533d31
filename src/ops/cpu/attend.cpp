// See attend.h. The body is compiled once for each instruction set that Highway knows for this processor family.
#include "ops/cpu/attend.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/attend.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, as Highway asks.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Four keys at a time, so that the loads of q serve four products and four sums are in flight.
template <class T>
void QueryScores(const T* q, int64_t heads, int64_t head_dim, const T* k, int64_t k_stride, int64_t n, T* s,
                 int64_t s_stride) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t j = 0;
  for (; j + 4 <= n; j += 4) {
    const T *k0 = k + j * k_stride, *k1 = k0 + k_stride, *k2 = k1 + k_stride, *k3 = k2 + k_stride;
    for (int64_t h = 0; h < heads; ++h) {
      const T* qh = q + h * head_dim;
      auto a = hn::Zero(d), b = hn::Zero(d), c = hn::Zero(d), e = hn::Zero(d);
      int64_t i = 0;
      for (; i + lanes <= head_dim; i += lanes) {
        const auto x = hn::LoadU(d, qh + i);
        a = hn::MulAdd(x, hn::LoadU(d, k0 + i), a);
        b = hn::MulAdd(x, hn::LoadU(d, k1 + i), b);
        c = hn::MulAdd(x, hn::LoadU(d, k2 + i), c);
        e = hn::MulAdd(x, hn::LoadU(d, k3 + i), e);
      }
      T* out = s + h * s_stride + j;
      out[0] = hn::GetLane(hn::SumOfLanes(d, a));
      out[1] = hn::GetLane(hn::SumOfLanes(d, b));
      out[2] = hn::GetLane(hn::SumOfLanes(d, c));
      out[3] = hn::GetLane(hn::SumOfLanes(d, e));
      for (; i < head_dim; ++i) {
        out[0] += qh[i] * k0[i];
        out[1] += qh[i] * k1[i];
        out[2] += qh[i] * k2[i];
        out[3] += qh[i] * k3[i];
      }
    }
  }
  for (; j < n; ++j)
    for (int64_t h = 0; h < heads; ++h) {
      const T *qh = q + h * head_dim, *kj = k + j * k_stride;
      auto a = hn::Zero(d);
      int64_t i = 0;
      for (; i + lanes <= head_dim; i += lanes) a = hn::MulAdd(hn::LoadU(d, qh + i), hn::LoadU(d, kj + i), a);
      T sum = hn::GetLane(hn::SumOfLanes(d, a));
      for (; i < head_dim; ++i) sum += qh[i] * kj[i];
      s[h * s_stride + j] = sum;
    }
}

// Four vectors of an output row are held in registers over all keys.
template <class T>
void AddWeightedRows(const T* p, int64_t p_stride, int64_t heads, int64_t head_dim, const T* v,
                     int64_t v_stride, int64_t n, T* out) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + 4 * lanes <= head_dim; i += 4 * lanes)
    for (int64_t h = 0; h < heads; ++h) {
      T* o = out + h * head_dim + i;
      auto a = hn::LoadU(d, o), b = hn::LoadU(d, o + lanes), c = hn::LoadU(d, o + 2 * lanes),
           e = hn::LoadU(d, o + 3 * lanes);
      const T* row = v + i;
      for (int64_t j = 0; j < n; ++j, row += v_stride) {
        const auto w = hn::Set(d, p[h * p_stride + j]);
        a = hn::MulAdd(w, hn::LoadU(d, row), a);
        b = hn::MulAdd(w, hn::LoadU(d, row + lanes), b);
        c = hn::MulAdd(w, hn::LoadU(d, row + 2 * lanes), c);
        e = hn::MulAdd(w, hn::LoadU(d, row + 3 * lanes), e);
      }
      hn::StoreU(a, d, o);
      hn::StoreU(b, d, o + lanes);
      hn::StoreU(c, d, o + 2 * lanes);
      hn::StoreU(e, d, o + 3 * lanes);
    }
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t at = i; at < head_dim; ++at) {
      T sum = out[h * head_dim + at];
      for (int64_t j = 0; j < n; ++j) sum += p[h * p_stride + j] * v[j * v_stride + at];
      out[h * head_dim + at] = sum;
    }
}

void QueryScoresF(const float* q, int64_t heads, int64_t head_dim, const float* k, int64_t k_stride,
                  int64_t n, float* s, int64_t s_stride) {
  QueryScores(q, heads, head_dim, k, k_stride, n, s, s_stride);
}
void QueryScoresD(const double* q, int64_t heads, int64_t head_dim, const double* k, int64_t k_stride,
                  int64_t n, double* s, int64_t s_stride) {
  QueryScores(q, heads, head_dim, k, k_stride, n, s, s_stride);
}
void AddWeightedRowsF(const float* p, int64_t p_stride, int64_t heads, int64_t head_dim, const float* v,
                      int64_t v_stride, int64_t n, float* out) {
  AddWeightedRows(p, p_stride, heads, head_dim, v, v_stride, n, out);
}
void AddWeightedRowsD(const double* p, int64_t p_stride, int64_t heads, int64_t head_dim, const double* v,
                      int64_t v_stride, int64_t n, double* out) {
  AddWeightedRows(p, p_stride, heads, head_dim, v, v_stride, n, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::ops::cpu {

HWY_EXPORT(QueryScoresF);
HWY_EXPORT(QueryScoresD);
HWY_EXPORT(AddWeightedRowsF);
HWY_EXPORT(AddWeightedRowsD);

void query_scores(const float* q, int64_t heads, int64_t head_dim, const float* k, int64_t k_stride,
                  int64_t n, float* s, int64_t s_stride) {
  HWY_DYNAMIC_DISPATCH(QueryScoresF)(q, heads, head_dim, k, k_stride, n, s, s_stride);
}
void query_scores(const double* q, int64_t heads, int64_t head_dim, const double* k, int64_t k_stride,
                  int64_t n, double* s, int64_t s_stride) {
  HWY_DYNAMIC_DISPATCH(QueryScoresD)(q, heads, head_dim, k, k_stride, n, s, s_stride);
}
void add_weighted_rows(const float* p, int64_t p_stride, int64_t heads, int64_t head_dim, const float* v,
                       int64_t v_stride, int64_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(AddWeightedRowsF)(p, p_stride, heads, head_dim, v, v_stride, n, out);
}
void add_weighted_rows(const double* p, int64_t p_stride, int64_t heads, int64_t head_dim, const double* v,
                       int64_t v_stride, int64_t n, double* out) {
  HWY_DYNAMIC_DISPATCH(AddWeightedRowsD)(p, p_stride, heads, head_dim, v, v_stride, n, out);
}

}  // namespace lora::ops::cpu
#endif
