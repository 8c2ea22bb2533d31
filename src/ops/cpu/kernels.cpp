// See kernels.h. The body is compiled once for each instruction set that Highway knows for this processor family.
#include "ops/cpu/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, as Highway asks.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cmath>

#include "ops/cpu/part_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Whole vectors first, then the tail: no kernel reads or writes past its row. Rows of scores end anywhere, and are short enough
// for their ends to matter: there the tail is a vector too.
template <class T>
using Tag = hn::ScalableTag<T>;

// The nearest bfloat16, of two the even one.
void RoundToBfloat16(const float* x, int64_t n, uint16_t* y) {
  const Tag<float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<uint16_t, decltype(d)> half;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto rounded = [&](const float* from) {
    const auto number = hn::LoadU(d, from);
    const auto bits = hn::BitCast(du, number);
    const auto up =
        hn::Add(bits, hn::Add(hn::Set(du, 0x7fff), hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1))));
    const auto nan = hn::RebindMask(du, hn::IsNaN(number));
    const auto kept = hn::ShiftRight<16>(hn::IfThenElse(nan, hn::Or(bits, hn::Set(du, 0x400000)), up));
    return hn::DemoteTo(half, hn::BitCast(di, kept));
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(rounded(x + i), half, y + i);
  for (; i < n; ++i) y[i] = c10::BFloat16(x[i]).x;
}

template <class T>
T SumOfSquares(const T* x, int64_t n) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto a = hn::Zero(d), b = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto u = hn::LoadU(d, x + i), v = hn::LoadU(d, x + i + lanes);
    a = hn::MulAdd(u, u, a);
    b = hn::MulAdd(v, v, b);
  }
  T sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(a, b)));
  for (; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

template <class T>
T DotT(const T* x, const T* y, int64_t n) {
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
void NormRow(const T* x, const T* w, T rstd, int64_t n, T* y) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto r = hn::Set(d, rstd);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x + i), r), hn::LoadU(d, w + i)), d, y + i);
  for (; i < n; ++i) y[i] = x[i] * rstd * w[i];
}

template <class T>
void RmsNormT(const T* x, const T* w, T eps, int64_t rows, int64_t n, T* y, T* rstd) {
  for (int64_t t = 0; t < rows; ++t) {
    const T mean = SumOfSquares(x + t * n, n) / static_cast<T>(n);
    rstd[t] = T{1} / std::sqrt(mean + eps);
    NormRow(x + t * n, w, rstd[t], n, y + t * n);
  }
}

template <class T>
void RmsNormBackwardT(const T* x, const T* w, const T* rstd, const T* dy, int64_t rows, int64_t n, T* dx) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t t = 0; t < rows; ++t) {
    const T* xr = x + t * n;
    const T* gr = dy + t * n;
    T* out = dx + t * n;
    auto acc = hn::Zero(d);
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes)
      acc = hn::MulAdd(hn::Mul(hn::LoadU(d, gr + i), hn::LoadU(d, w + i)), hn::LoadU(d, xr + i), acc);
    T sum = hn::GetLane(hn::SumOfLanes(d, acc));
    for (; i < n; ++i) sum += gr[i] * w[i] * xr[i];
    // dx = rstd * (g - xhat * mean(g . xhat)), g = dy * w, xhat = x * rstd
    const T r = rstd[t];
    const T c = sum * r * r * r / static_cast<T>(n);
    const auto rv = hn::Set(d, r), cv = hn::Set(d, c);
    for (i = 0; i + lanes <= n; i += lanes) {
      const auto g = hn::Mul(hn::LoadU(d, gr + i), hn::LoadU(d, w + i));
      hn::StoreU(hn::NegMulAdd(cv, hn::LoadU(d, xr + i), hn::Mul(rv, g)), d, out + i);
    }
    for (; i < n; ++i) out[i] = r * gr[i] * w[i] - c * xr[i];
  }
}

template <class T>
void RopeT(const T* x, const T* cos, const T* sin, int64_t rows, int64_t heads, int64_t head_dim,
           int64_t rotary_dim, T direction, T* y) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t half = rotary_dim / 2;
  const auto sign = hn::Set(d, direction);
  for (int64_t t = 0; t < rows; ++t) {
    const T* c = cos + t * half;
    const T* s = sin + t * half;
    for (int64_t h = 0; h < heads; ++h) {
      const T* a = x + (t * heads + h) * head_dim;
      T* out = y + (t * heads + h) * head_dim;
      int64_t i = 0;
      for (; i + lanes <= half; i += lanes) {
        const auto u = hn::LoadU(d, a + i), v = hn::LoadU(d, a + half + i);
        const auto cv = hn::LoadU(d, c + i), sv = hn::Mul(sign, hn::LoadU(d, s + i));
        hn::StoreU(hn::NegMulAdd(v, sv, hn::Mul(u, cv)), d, out + i);
        hn::StoreU(hn::MulAdd(u, sv, hn::Mul(v, cv)), d, out + half + i);
      }
      for (; i < half; ++i) {
        const T u = a[i], v = a[half + i];
        out[i] = u * c[i] - v * s[i] * direction;
        out[half + i] = v * c[i] + u * s[i] * direction;
      }
      if (out != a)
        for (i = rotary_dim; i < head_dim; ++i) out[i] = a[i];
    }
  }
}

// 1 / (1 + exp(-x)); exp of a large argument overflows to infinity and the quotient to 0, as it should.
template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  return hn::Div(hn::Set(d, 1), hn::Add(hn::Set(d, 1), hn::Exp(d, hn::Neg(x))));
}

template <class T>
void SwigluT(const T* gate, const T* up, int64_t n, T* h) {
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
void SwigluBackwardT(const T* gate, const T* up, const T* dh, int64_t n, T* dgate, T* dup) {
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
void GegluT(const T* gate, const T* up, int64_t n, T* h) {
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
void GegluBackwardT(const T* gate, const T* up, const T* dh, int64_t n, T* dgate, T* dup) {
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
void SoftcapT(T* s, int64_t n, T scale, T cap, T* slope) {
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
void MultiplyT(const T* x, int64_t n, T* y) {
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
T MaxRowT(const T* s, int64_t n) {
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
T SoftmaxRowT(T* s, int64_t n, T scale) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const T shift = MaxRowT(s, n) * scale;
  const T sum = ExpRow(s, n, scale, shift);
  const T inverse = T{1} / sum;
  const auto v = hn::Set(d, inverse);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, s + i), v), d, s + i);
  if (i < n) StorePart(hn::Mul(LoadPart(d, s + i, n - i), v), d, s + i, n - i);
  return shift + std::log(sum);
}

template <class T>
void SoftmaxRowBackwardT(const T* p, int64_t n, T delta, T scale, T* dp) {
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

// 32 random bits for number j of a row: two rounds of the MurmurHash3 finaliser over j, keyed by both halves of the key.
template <class D, class V>
V RandomBits(D d, V j, uint32_t key0, uint32_t key1) {
  const auto finalize = [d](V h) HWY_ATTR {
    h = hn::Mul(hn::Xor(h, hn::ShiftRight<16>(h)), hn::Set(d, 0x85ebca6bu));
    h = hn::Mul(hn::Xor(h, hn::ShiftRight<13>(h)), hn::Set(d, 0xc2b2ae35u));
    return hn::Xor(h, hn::ShiftRight<16>(h));
  };
  const V first = finalize(hn::Add(hn::Mul(j, hn::Set(d, 0x9e3779b1u)), hn::Set(d, key0)));
  return finalize(hn::Xor(first, hn::Set(d, key1)));
}

// The mask of a row in blocks of bits that all instruction sets compute alike; float and double draw the same one.
template <class T>
void DropoutRowT(const T* x, uint64_t row_key, double p, int64_t n, bool accumulate, T* y) {
  const hn::ScalableTag<uint32_t> du;
  const hn::ScalableTag<int32_t> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(du));
  const auto key0 = static_cast<uint32_t>(row_key), key1 = static_cast<uint32_t>(row_key >> 32);
  // 31 bits, since not every instruction set compares unsigned numbers.
  const auto threshold = static_cast<int32_t>(p * 2147483648.0);
  const T keep = static_cast<T>(1.0 / (1.0 - p));
  HWY_ALIGN int32_t bits[HWY_MAX_BYTES / sizeof(int32_t)];
  auto j = hn::Iota(du, 0u);  // once: it is built number by number
  const auto next = hn::Set(du, static_cast<uint32_t>(lanes));
  for (int64_t i = 0; i < n; i += lanes, j = hn::Add(j, next)) {
    const auto random = hn::BitCast(di, hn::ShiftRight<1>(RandomBits(du, j, key0, key1)));
    const int64_t m = n - i < lanes ? n - i : lanes;
    if constexpr (sizeof(T) == 4) {
      if (m == lanes) {
        const Tag<float> df;
        const auto kept = hn::RebindMask(df, hn::Gt(random, hn::Set(di, threshold - 1)));
        auto v = hn::IfThenElseZero(kept, hn::Mul(hn::LoadU(df, x + i), hn::Set(df, keep)));
        if (accumulate) v = hn::Add(v, hn::LoadU(df, y + i));
        hn::StoreU(v, df, y + i);
        continue;
      }
    }
    hn::Store(random, di, bits);
    for (int64_t k = 0; k < m; ++k) {
      const T v = bits[k] >= threshold ? x[i + k] * keep : T{0};
      y[i + k] = accumulate ? y[i + k] + v : v;
    }
  }
}

// Highway dispatches plain functions, not templates: one name for each kernel and type.
void RmsNormF(const float* x, const float* w, float e, int64_t r, int64_t n, float* y, float* s) {
  RmsNormT(x, w, e, r, n, y, s);
}
void RmsNormD(const double* x, const double* w, double e, int64_t r, int64_t n, double* y, double* s) {
  RmsNormT(x, w, e, r, n, y, s);
}
void NormAgainF(const float* x, const float* w, const float* s, int64_t r, int64_t n, float* y) {
  for (int64_t t = 0; t < r; ++t) NormRow(x + t * n, w, s[t], n, y + t * n);
}
void NormAgainD(const double* x, const double* w, const double* s, int64_t r, int64_t n, double* y) {
  for (int64_t t = 0; t < r; ++t) NormRow(x + t * n, w, s[t], n, y + t * n);
}
void RmsNormBackwardF(const float* x, const float* w, const float* s, const float* g, int64_t r, int64_t n,
                      float* dx) {
  RmsNormBackwardT(x, w, s, g, r, n, dx);
}
void RmsNormBackwardD(const double* x, const double* w, const double* s, const double* g, int64_t r,
                      int64_t n, double* dx) {
  RmsNormBackwardT(x, w, s, g, r, n, dx);
}
void RopeF(const float* x, const float* c, const float* s, int64_t r, int64_t h, int64_t hd, int64_t rd,
           float dir, float* y) {
  RopeT(x, c, s, r, h, hd, rd, dir, y);
}
void RopeD(const double* x, const double* c, const double* s, int64_t r, int64_t h, int64_t hd, int64_t rd,
           double dir, double* y) {
  RopeT(x, c, s, r, h, hd, rd, dir, y);
}
void SwigluF(const float* g, const float* u, int64_t n, float* h) {
  SwigluT(g, u, n, h);
}
void SwigluD(const double* g, const double* u, int64_t n, double* h) {
  SwigluT(g, u, n, h);
}
void SwigluBackwardF(const float* g, const float* u, const float* e, int64_t n, float* dg, float* du) {
  SwigluBackwardT(g, u, e, n, dg, du);
}
void SwigluBackwardD(const double* g, const double* u, const double* e, int64_t n, double* dg, double* du) {
  SwigluBackwardT(g, u, e, n, dg, du);
}
void GegluF(const float* g, const float* u, int64_t n, float* h) {
  GegluT(g, u, n, h);
}
void GegluD(const double* g, const double* u, int64_t n, double* h) {
  GegluT(g, u, n, h);
}
void GegluBackwardF(const float* g, const float* u, const float* e, int64_t n, float* dg, float* du) {
  GegluBackwardT(g, u, e, n, dg, du);
}
void GegluBackwardD(const double* g, const double* u, const double* e, int64_t n, double* dg, double* du) {
  GegluBackwardT(g, u, e, n, dg, du);
}
void SoftcapF(float* s, int64_t n, float scale, float cap, float* slope) {
  SoftcapT(s, n, scale, cap, slope);
}
void SoftcapD(double* s, int64_t n, double scale, double cap, double* slope) {
  SoftcapT(s, n, scale, cap, slope);
}
void MultiplyF(const float* x, int64_t n, float* y) {
  MultiplyT(x, n, y);
}
void MultiplyD(const double* x, int64_t n, double* y) {
  MultiplyT(x, n, y);
}
float SoftmaxRowF(float* s, int64_t n, float scale) {
  return SoftmaxRowT(s, n, scale);
}
double SoftmaxRowD(double* s, int64_t n, double scale) {
  return SoftmaxRowT(s, n, scale);
}
float ExpRowF(float* s, int64_t n, float scale, float shift) {
  return ExpRow(s, n, scale, shift);
}
double ExpRowD(double* s, int64_t n, double scale, double shift) {
  return ExpRow(s, n, scale, shift);
}
float MaxRowF(const float* s, int64_t n) {
  return MaxRowT(s, n);
}
double MaxRowD(const double* s, int64_t n) {
  return MaxRowT(s, n);
}
void SoftmaxBackwardF(const float* p, int64_t n, float delta, float scale, float* dp) {
  SoftmaxRowBackwardT(p, n, delta, scale, dp);
}
void SoftmaxBackwardD(const double* p, int64_t n, double delta, double scale, double* dp) {
  SoftmaxRowBackwardT(p, n, delta, scale, dp);
}
float DotF(const float* a, const float* b, int64_t n) {
  return DotT(a, b, n);
}
double DotD(const double* a, const double* b, int64_t n) {
  return DotT(a, b, n);
}
void DropoutRowF(const float* x, uint64_t key, double p, int64_t n, bool acc, float* y) {
  DropoutRowT(x, key, p, n, acc, y);
}
void DropoutRowD(const double* x, uint64_t key, double p, int64_t n, bool acc, double* y) {
  DropoutRowT(x, key, p, n, acc, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::ops::cpu {

HWY_EXPORT(RmsNormF);
HWY_EXPORT(RmsNormD);
HWY_EXPORT(NormAgainF);
HWY_EXPORT(NormAgainD);
HWY_EXPORT(RmsNormBackwardF);
HWY_EXPORT(RmsNormBackwardD);
HWY_EXPORT(RopeF);
HWY_EXPORT(RopeD);
HWY_EXPORT(SwigluF);
HWY_EXPORT(SwigluD);
HWY_EXPORT(SwigluBackwardF);
HWY_EXPORT(SwigluBackwardD);
HWY_EXPORT(GegluF);
HWY_EXPORT(GegluD);
HWY_EXPORT(GegluBackwardF);
HWY_EXPORT(GegluBackwardD);
HWY_EXPORT(SoftcapF);
HWY_EXPORT(SoftcapD);
HWY_EXPORT(MultiplyF);
HWY_EXPORT(MultiplyD);
HWY_EXPORT(SoftmaxRowF);
HWY_EXPORT(SoftmaxRowD);
HWY_EXPORT(ExpRowF);
HWY_EXPORT(ExpRowD);
HWY_EXPORT(MaxRowF);
HWY_EXPORT(MaxRowD);
HWY_EXPORT(SoftmaxBackwardF);
HWY_EXPORT(SoftmaxBackwardD);
HWY_EXPORT(DotF);
HWY_EXPORT(DotD);
HWY_EXPORT(RoundToBfloat16);
HWY_EXPORT(DropoutRowF);
HWY_EXPORT(DropoutRowD);

void round_to_bfloat16(const float* x, int64_t n, uint16_t* y) {
  HWY_DYNAMIC_DISPATCH(RoundToBfloat16)(x, n, y);
}
void rms_norm(const float* x, const float* w, float eps, int64_t rows, int64_t d, float* y, float* rstd) {
  HWY_DYNAMIC_DISPATCH(RmsNormF)(x, w, eps, rows, d, y, rstd);
}
void rms_norm(const double* x, const double* w, double eps, int64_t rows, int64_t d, double* y,
              double* rstd) {
  HWY_DYNAMIC_DISPATCH(RmsNormD)(x, w, eps, rows, d, y, rstd);
}
void rms_norm_again(const float* x, const float* w, const float* rstd, int64_t rows, int64_t d, float* y) {
  HWY_DYNAMIC_DISPATCH(NormAgainF)(x, w, rstd, rows, d, y);
}
void rms_norm_again(const double* x, const double* w, const double* rstd, int64_t rows, int64_t d,
                    double* y) {
  HWY_DYNAMIC_DISPATCH(NormAgainD)(x, w, rstd, rows, d, y);
}
void rms_norm_backward(const float* x, const float* w, const float* rstd, const float* dy, int64_t rows,
                       int64_t d, float* dx) {
  HWY_DYNAMIC_DISPATCH(RmsNormBackwardF)(x, w, rstd, dy, rows, d, dx);
}
void rms_norm_backward(const double* x, const double* w, const double* rstd, const double* dy, int64_t rows,
                       int64_t d, double* dx) {
  HWY_DYNAMIC_DISPATCH(RmsNormBackwardD)(x, w, rstd, dy, rows, d, dx);
}
void rope(const float* x, const float* c, const float* s, int64_t rows, int64_t heads, int64_t hd, int64_t rd,
          float dir, float* y) {
  HWY_DYNAMIC_DISPATCH(RopeF)(x, c, s, rows, heads, hd, rd, dir, y);
}
void rope(const double* x, const double* c, const double* s, int64_t rows, int64_t heads, int64_t hd,
          int64_t rd, double dir, double* y) {
  HWY_DYNAMIC_DISPATCH(RopeD)(x, c, s, rows, heads, hd, rd, dir, y);
}
void swiglu(const float* g, const float* u, int64_t n, float* h) {
  HWY_DYNAMIC_DISPATCH(SwigluF)(g, u, n, h);
}
void swiglu(const double* g, const double* u, int64_t n, double* h) {
  HWY_DYNAMIC_DISPATCH(SwigluD)(g, u, n, h);
}
void swiglu_backward(const float* g, const float* u, const float* dh, int64_t n, float* dg, float* du) {
  HWY_DYNAMIC_DISPATCH(SwigluBackwardF)(g, u, dh, n, dg, du);
}
void swiglu_backward(const double* g, const double* u, const double* dh, int64_t n, double* dg, double* du) {
  HWY_DYNAMIC_DISPATCH(SwigluBackwardD)(g, u, dh, n, dg, du);
}
void geglu(const float* g, const float* u, int64_t n, float* h) {
  HWY_DYNAMIC_DISPATCH(GegluF)(g, u, n, h);
}
void geglu(const double* g, const double* u, int64_t n, double* h) {
  HWY_DYNAMIC_DISPATCH(GegluD)(g, u, n, h);
}
void geglu_backward(const float* g, const float* u, const float* dh, int64_t n, float* dg, float* du) {
  HWY_DYNAMIC_DISPATCH(GegluBackwardF)(g, u, dh, n, dg, du);
}
void geglu_backward(const double* g, const double* u, const double* dh, int64_t n, double* dg, double* du) {
  HWY_DYNAMIC_DISPATCH(GegluBackwardD)(g, u, dh, n, dg, du);
}
void softcap(float* s, int64_t n, float scale, float cap, float* slope) {
  HWY_DYNAMIC_DISPATCH(SoftcapF)(s, n, scale, cap, slope);
}
void softcap(double* s, int64_t n, double scale, double cap, double* slope) {
  HWY_DYNAMIC_DISPATCH(SoftcapD)(s, n, scale, cap, slope);
}
void multiply(const float* x, int64_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(MultiplyF)(x, n, y);
}
void multiply(const double* x, int64_t n, double* y) {
  HWY_DYNAMIC_DISPATCH(MultiplyD)(x, n, y);
}
float softmax_row(float* s, int64_t n, float scale) {
  return HWY_DYNAMIC_DISPATCH(SoftmaxRowF)(s, n, scale);
}
double softmax_row(double* s, int64_t n, double scale) {
  return HWY_DYNAMIC_DISPATCH(SoftmaxRowD)(s, n, scale);
}
float exp_row(float* s, int64_t n, float scale, float shift) {
  return HWY_DYNAMIC_DISPATCH(ExpRowF)(s, n, scale, shift);
}
double exp_row(double* s, int64_t n, double scale, double shift) {
  return HWY_DYNAMIC_DISPATCH(ExpRowD)(s, n, scale, shift);
}
float max_row(const float* s, int64_t n) {
  return HWY_DYNAMIC_DISPATCH(MaxRowF)(s, n);
}
double max_row(const double* s, int64_t n) {
  return HWY_DYNAMIC_DISPATCH(MaxRowD)(s, n);
}
void softmax_row_backward(const float* p, int64_t n, float delta, float scale, float* dp) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBackwardF)(p, n, delta, scale, dp);
}
void softmax_row_backward(const double* p, int64_t n, double delta, double scale, double* dp) {
  HWY_DYNAMIC_DISPATCH(SoftmaxBackwardD)(p, n, delta, scale, dp);
}
float dot(const float* a, const float* b, int64_t n) {
  return HWY_DYNAMIC_DISPATCH(DotF)(a, b, n);
}
double dot(const double* a, const double* b, int64_t n) {
  return HWY_DYNAMIC_DISPATCH(DotD)(a, b, n);
}
void dropout_row(const float* x, uint64_t key, double p, int64_t n, bool acc, float* y) {
  HWY_DYNAMIC_DISPATCH(DropoutRowF)(x, key, p, n, acc, y);
}
void dropout_row(const double* x, uint64_t key, double p, int64_t n, bool acc, double* y) {
  HWY_DYNAMIC_DISPATCH(DropoutRowD)(x, key, p, n, acc, y);
}

}  // namespace lora::ops::cpu
#endif  // HWY_ONCE
