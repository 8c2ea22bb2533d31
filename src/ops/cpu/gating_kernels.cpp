// See gating_kernels.h. The body is compiled once for each instruction set that Highway knows for this processor family.
#include "ops/cpu/gating_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/gating_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, as Highway asks.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Whole vectors first, then the tail: no kernel reads or writes past its row.
template <class T>
using Tag = hn::ScalableTag<T>;

// 1 / (1 + exp(-x)); exp of a large argument overflows to infinity and the quotient to 0, as it should.
template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  return hn::Div(hn::Set(d, 1), hn::Add(hn::Set(d, 1), hn::Exp(d, hn::Neg(x))));
}

template <class T>
void Swiglu(const T* gate, const T* up, int64_t n, T* h) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto g = hn::LoadU(d, gate + i);
    hn::StoreU(hn::Mul(hn::Mul(g, Sigmoid(d, g)), hn::LoadU(d, up + i)), d, h + i);
  }
  for (; i < n; ++i) h[i] = gate[i] / (T{1} + std::exp(-gate[i])) * up[i];
}

template <class T>
void SwigluBackward(const T* gate, const T* up, const T* dh, int64_t n, T* dgate, T* dup) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto one = hn::Set(d, 1);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto g = hn::LoadU(d, gate + i), u = hn::LoadU(d, up + i), e = hn::LoadU(d, dh + i);
    const auto s = Sigmoid(d, g);
    // d silu(g) / dg = s * (1 + g * (1 - s))
    const auto slope = hn::Mul(s, hn::MulAdd(g, hn::Sub(one, s), one));
    hn::StoreU(hn::Mul(hn::Mul(e, u), slope), d, dgate + i);
    hn::StoreU(hn::Mul(e, hn::Mul(g, s)), d, dup + i);
  }
  for (; i < n; ++i) {
    const T g = gate[i], e = dh[i];
    const T s = T{1} / (T{1} + std::exp(-g));
    dgate[i] = e * up[i] * s * (T{1} + g * (T{1} - s));
    dup[i] = e * g * s;
  }
}

// gelu(x) = x / 2 * (1 + tanh(u)), u = sqrt(2 / pi) * (x + 0.044715 x^3).
constexpr double kGeluSlope = 0.7978845608028654, kGeluCubic = 0.044715;

template <class T>
void Geglu(const T* gate, const T* up, int64_t n, T* h) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const T a = static_cast<T>(kGeluSlope), b = static_cast<T>(kGeluSlope * kGeluCubic);
  const auto av = hn::Set(d, a), bv = hn::Set(d, b), one = hn::Set(d, 1), half = hn::Set(d, T{0.5});
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::LoadU(d, gate + i);
    const auto u = hn::Mul(x, hn::MulAdd(bv, hn::Mul(x, x), av));
    const auto gelu = hn::Mul(hn::Mul(half, x), hn::Add(one, hn::Tanh(d, u)));
    hn::StoreU(hn::Mul(gelu, hn::LoadU(d, up + i)), d, h + i);
  }
  for (; i < n; ++i) {
    const T x = gate[i];
    h[i] = T{0.5} * x * (T{1} + std::tanh(x * (b * x * x + a))) * up[i];
  }
}

template <class T>
void GegluBackward(const T* gate, const T* up, const T* dh, int64_t n, T* dgate, T* dup) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const T a = static_cast<T>(kGeluSlope), b = static_cast<T>(kGeluSlope * kGeluCubic);
  const auto av = hn::Set(d, a), bv = hn::Set(d, b), b3 = hn::Set(d, 3 * b), one = hn::Set(d, 1),
             half = hn::Set(d, T{0.5});
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::LoadU(d, gate + i), e = hn::LoadU(d, dh + i);
    const auto square = hn::Mul(x, x);
    const auto t = hn::Tanh(d, hn::Mul(x, hn::MulAdd(bv, square, av)));
    const auto phi = hn::Mul(half, hn::Add(one, t));
    // d gelu(x) / dx = (1 + t) / 2 + x / 2 * (1 - t^2) * du/dx
    const auto inner = hn::Mul(hn::NegMulAdd(t, t, one), hn::MulAdd(b3, square, av));
    const auto slope = hn::MulAdd(hn::Mul(half, x), inner, phi);
    hn::StoreU(hn::Mul(hn::Mul(e, hn::LoadU(d, up + i)), slope), d, dgate + i);
    hn::StoreU(hn::Mul(e, hn::Mul(x, phi)), d, dup + i);
  }
  for (; i < n; ++i) {
    const T x = gate[i], e = dh[i];
    const T t = std::tanh(x * (b * x * x + a)), phi = T{0.5} * (T{1} + t);
    dgate[i] = e * up[i] * (phi + T{0.5} * x * (T{1} - t * t) * (3 * b * x * x + a));
    dup[i] = e * x * phi;
  }
}

template <class T>
constexpr GatingKernels<T> kGatingKernels{
    .swiglu = Swiglu<T>,
    .swiglu_backward = SwigluBackward<T>,
    .geglu = Geglu<T>,
    .geglu_backward = GegluBackward<T>,
};
// Highway dispatches plain functions, not templates.
const GatingKernels<float>& GatingF() {
  return kGatingKernels<float>;
}
const GatingKernels<double>& GatingD() {
  return kGatingKernels<double>;
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::ops::cpu {

HWY_EXPORT(GatingF);
HWY_EXPORT(GatingD);

template <>
const GatingKernels<float>& gating_kernels<float>() {
  return HWY_DYNAMIC_DISPATCH(GatingF)();
}
template <>
const GatingKernels<double>& gating_kernels<double>() {
  return HWY_DYNAMIC_DISPATCH(GatingD)();
}

}  // namespace lora::ops::cpu
#endif  // HWY_ONCE
