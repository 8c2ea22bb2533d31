// See score_kernels.h. The body is compiled once for each instruction set that Highway knows for this processor family.
#include "ops/cpu/score_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/score_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, as Highway asks.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cmath>

#include "ops/cpu/part_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Whole vectors first, then the tail: no kernel reads or writes past its row. Rows of scores end anywhere, and are short enough
// for their ends to matter: there the tail is a vector too, but of soft caps and products.
template <class T>
using Tag = hn::ScalableTag<T>;

template <class T>
T Dot(const T* x, const T* y, int64_t n) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto a = hn::Zero(d), b = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    a = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, y + i), a);
    b = hn::MulAdd(hn::LoadU(d, x + i + lanes), hn::LoadU(d, y + i + lanes), b);
  }
  if (i + lanes <= n) {
    a = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, y + i), a);
    i += lanes;
  }
  if (i < n) b = hn::MulAdd(LoadPart(d, x + i, n - i), LoadPart(d, y + i, n - i), b);
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(a, b)));
}

template <class T>
void Softcap(T* s, int64_t n, T scale, T cap, T* slope) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const T inner = scale / cap;
  const auto iv = hn::Set(d, inner), cv = hn::Set(d, cap), one = hn::Set(d, 1), sv = hn::Set(d, scale);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto t = hn::Tanh(d, hn::Mul(iv, hn::LoadU(d, s + i)));
    hn::StoreU(hn::Mul(cv, t), d, s + i);
    if (slope) hn::StoreU(hn::Mul(sv, hn::NegMulAdd(t, t, one)), d, slope + i);
  }
  for (; i < n; ++i) {
    const T t = std::tanh(inner * s[i]);
    s[i] = cap * t;
    if (slope) slope[i] = scale * (T{1} - t * t);
  }
}

template <class T>
void Multiply(const T* x, int64_t n, T* y) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
  for (; i < n; ++i) y[i] *= x[i];
}

template <class T>
T ExpRow(T* s, int64_t n, T scale, T shift) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto a = hn::Set(d, scale), b = hn::Set(d, shift);
  auto acc = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto e = hn::Exp(d, hn::MulSub(hn::LoadU(d, s + i), a, b));
    hn::StoreU(e, d, s + i);
    acc = hn::Add(acc, e);
  }
  if (i < n) {
    const auto e = hn::Exp(d, hn::MulSub(LoadPart(d, s + i, n - i), a, b));
    StorePart(e, d, s + i, n - i);
    acc = hn::Add(acc, hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(n - i)), e));
  }
  return hn::GetLane(hn::SumOfLanes(d, acc));
}

template <class T>
T MaxRow(const T* s, int64_t n) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto top = hn::Set(d, s[0]);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) top = hn::Max(top, hn::LoadU(d, s + i));
  if (i < n)
    top = hn::Max(top,
                  hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(n - i)), LoadPart(d, s + i, n - i), top));
  return hn::GetLane(hn::MaxOfLanes(d, top));
}

template <class T>
T SoftmaxRow(T* s, int64_t n, T scale) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const T shift = MaxRow(s, n) * scale;
  const T sum = ExpRow(s, n, scale, shift);
  const T inverse = T{1} / sum;
  const auto v = hn::Set(d, inverse);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, s + i), v), d, s + i);
  if (i < n) StorePart(hn::Mul(LoadPart(d, s + i, n - i), v), d, s + i, n - i);
  return shift + std::log(sum);
}

template <class T>
void SoftmaxRowBackward(const T* p, int64_t n, T delta, T scale, T* dp) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto dv = hn::Set(d, delta), sv = hn::Set(d, scale);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto g = hn::Sub(hn::LoadU(d, dp + i), dv);
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, p + i), sv), g), d, dp + i);
  }
  if (i < n) {
    const auto g = hn::Sub(LoadPart(d, dp + i, n - i), dv);
    StorePart(hn::Mul(hn::Mul(LoadPart(d, p + i, n - i), sv), g), d, dp + i, n - i);
  }
}

template <class T>
constexpr ScoreKernels<T> kScoreKernels{
    .softcap = Softcap<T>,
    .multiply = Multiply<T>,
    .dot = Dot<T>,
    .max_row = MaxRow<T>,
    .exp_row = ExpRow<T>,
    .softmax_row = SoftmaxRow<T>,
    .softmax_row_backward = SoftmaxRowBackward<T>,
};
// Highway dispatches plain functions, not templates.
const ScoreKernels<float>& ScoreF() {
  return kScoreKernels<float>;
}
const ScoreKernels<double>& ScoreD() {
  return kScoreKernels<double>;
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::ops::cpu {

HWY_EXPORT(ScoreF);
HWY_EXPORT(ScoreD);

template <>
const ScoreKernels<float>& score_kernels<float>() {
  return HWY_DYNAMIC_DISPATCH(ScoreF)();
}
template <>
const ScoreKernels<double>& score_kernels<double>() {
  return HWY_DYNAMIC_DISPATCH(ScoreD)();
}

}  // namespace lora::ops::cpu
#endif  // HWY_ONCE
