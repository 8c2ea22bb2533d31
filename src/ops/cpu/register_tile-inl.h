// How large a tile of sums stays in registers, on each instruction set: what products that sum up in registers share.
// For files that are compiled once for each instruction set, and read again with each: hence no #pragma once.
#if defined(LORA_OPS_CPU_REGISTER_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LORA_OPS_CPU_REGISTER_TILE_INL_H_
#undef LORA_OPS_CPU_REGISTER_TILE_INL_H_
#else
#define LORA_OPS_CPU_REGISTER_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// kRows rows of kVectors vectors, 24 where there are 32 registers, else 12.
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64
constexpr int kVectors = 4;
#else
constexpr int kVectors = 2;
#endif
constexpr int kRows = 6;

template <class T>
int64_t Lanes() {
  return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#endif
