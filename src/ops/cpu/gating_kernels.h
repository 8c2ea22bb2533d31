// What makes gate and up of an MLP into one. Vectorised for the processor found at
// run time (Google Highway). Plain pointers, one thread: the caller divides rows among threads.
#pragma once

#include <cstdint>

namespace lora::ops::cpu {

// Of one instruction set. T: float, for training, and double, so that gradients can be checked in float64 on the same code.
template <class T>
struct GatingKernels {
  // SwiGLU (arXiv 2002.05202): h = silu(gate) * up over n numbers.
  void (*swiglu)(const T* gate, const T* up, int64_t n, T* h);
  // dgate, dup for dh; dgate may be the memory of gate, dup that of up or dh.
  void (*swiglu_backward)(const T* gate, const T* up, const T* dh, int64_t n, T* dgate, T* dup);
  // The same with GELU, tanh approximation (arXiv 1606.08415): h = gelu(gate) * up.
  void (*geglu)(const T* gate, const T* up, int64_t n, T* h);
  void (*geglu_backward)(const T* gate, const T* up, const T* dh, int64_t n, T* dgate, T* dup);
};

// Those for this processor.
template <class T>
const GatingKernels<T>& gating_kernels();

}  // namespace lora::ops::cpu
