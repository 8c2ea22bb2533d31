// The first n numbers of a vector, fewer than it has, read and written: nothing behind them is touched.
// For files that are compiled once for each instruction set, and read again with each: hence no #pragma once.
#if defined(LORA_OPS_CPU_PART_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LORA_OPS_CPU_PART_VECTOR_INL_H_
#undef LORA_OPS_CPU_PART_VECTOR_INL_H_
#else
#define LORA_OPS_CPU_PART_VECTOR_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {

template <class D>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> LoadPart(D d, const hwy::HWY_NAMESPACE::TFromD<D>* from, int64_t n) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN hn::TFromD<D> numbers[hn::MaxLanes(d)] = {};
  std::copy_n(from, n, numbers);
  return hn::Load(d, numbers);
#else
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(n)), d, from);
#endif
}

template <class D>
HWY_INLINE void StorePart(hwy::HWY_NAMESPACE::Vec<D> v, D d, hwy::HWY_NAMESPACE::TFromD<D>* to, int64_t n) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN hn::TFromD<D> numbers[hn::MaxLanes(d)];
  hn::Store(v, d, numbers);
  std::copy_n(numbers, n, to);
#else
  hn::BlendedStore(v, hn::FirstN(d, static_cast<size_t>(n)), d, to);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#endif
