// See row_kernels.h. The body is compiled once for each instruction set that Highway knows for this processor family.
#include "ops/cpu/row_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/row_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, as Highway asks.
#include <hwy/highway.h>

#include <c10/util/BFloat16.h>

#include <cmath>

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Whole vectors first, then the tail: no kernel reads or writes past its row.
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
void RmsNorm(const T* x, const T* w, T eps, int64_t rows, int64_t n, T* y, T* rstd) {
  for (int64_t t = 0; t < rows; ++t) {
    const T mean = SumOfSquares(x + t * n, n) / static_cast<T>(n);
    rstd[t] = T{1} / std::sqrt(mean + eps);
    NormRow(x + t * n, w, rstd[t], n, y + t * n);
  }
}

template <class T>
void RmsNormAgain(const T* x, const T* w, const T* rstd, int64_t rows, int64_t n, T* y) {
  for (int64_t t = 0; t < rows; ++t) NormRow(x + t * n, w, rstd[t], n, y + t * n);
}

template <class T>
void RmsNormBackward(const T* x, const T* w, const T* rstd, const T* dy, int64_t rows, int64_t n, T* dx) {
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
void Rope(const T* x, const T* cos, const T* sin, int64_t rows, int64_t heads, int64_t head_dim,
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
void DropoutRow(const T* x, uint64_t row_key, double p, int64_t n, bool accumulate, T* y) {
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

template <class T>
constexpr RowKernels<T> kRowKernels{
    .rms_norm = RmsNorm<T>,
    .rms_norm_again = RmsNormAgain<T>,
    .rms_norm_backward = RmsNormBackward<T>,
    .rope = Rope<T>,
    .dropout_row = DropoutRow<T>,
};
// Highway dispatches plain functions, not templates.
const RowKernels<float>& RowF() {
  return kRowKernels<float>;
}
const RowKernels<double>& RowD() {
  return kRowKernels<double>;
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::ops::cpu {

HWY_EXPORT(RowF);
HWY_EXPORT(RowD);
HWY_EXPORT(RoundToBfloat16);

template <>
const RowKernels<float>& row_kernels<float>() {
  return HWY_DYNAMIC_DISPATCH(RowF)();
}
template <>
const RowKernels<double>& row_kernels<double>() {
  return HWY_DYNAMIC_DISPATCH(RowD)();
}
void round_to_bfloat16(const float* x, int64_t n, uint16_t* y) {
  HWY_DYNAMIC_DISPATCH(RoundToBfloat16)(x, n, y);
}

}  // namespace lora::ops::cpu
#endif  // HWY_ONCE
