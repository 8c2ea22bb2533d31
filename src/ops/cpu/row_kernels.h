// What stands around products, row by row: RMSNorm, rotary embedding, dropout, rounding to bfloat16. Vectorised for the processor found at
// run time (Google Highway). Plain pointers, one thread: the caller divides rows among threads.
#pragma once

#include <cstdint>

namespace lora::ops::cpu {

// Of one instruction set. T: float, for training, and double, so that gradients can be checked in float64 on the same code.
template <class T>
struct RowKernels {
  // RMSNorm (arXiv 1910.07467): y = x * rstd * weight with rstd = 1 / sqrt(mean(x^2) + eps), a row at a time.
  // x, y: (rows, d); weight: (d); rstd: (rows), written.
  void (*rms_norm)(const T* x, const T* weight, T eps, int64_t rows, int64_t d, T* y, T* rstd);
  // y again, from the rstd that the forward pass kept.
  void (*rms_norm_again)(const T* x, const T* weight, const T* rstd, int64_t rows, int64_t d, T* y);
  // dx = gradient of x for dy; may be the same memory as dy.
  void (*rms_norm_backward)(const T* x, const T* weight, const T* rstd, const T* dy, int64_t rows, int64_t d,
                            T* dx);
  // Rotary embedding (arXiv 2104.09864) in the "rotate half" layout of Transformers: in each head the pair (i, i + n/2)
  // of the first n = rotary_dim numbers is turned. cos, sin: (rows, n/2); x, y: (rows, heads * head_dim).
  // direction = +1 turns forward; -1 turns back, which is the gradient. y may be x.
  void (*rope)(const T* x, const T* cos, const T* sin, int64_t rows, int64_t heads, int64_t head_dim,
               int64_t rotary_dim, T direction, T* y);
  // Dropout by counter: number j of a row is kept when hash(row_key, j) >= p * 2^31 (31-bit hash), and then scaled by 1 / (1 - p).
  // y = mask * x, or y += mask * x when `accumulate`. The mask depends on nothing but (row_key, j, p).
  void (*dropout_row)(const T* x, uint64_t row_key, double p, int64_t n, bool accumulate, T* y);
};

// Those for this processor.
template <class T>
const RowKernels<T>& row_kernels();

// The nearest bfloat16 of each of n numbers, of two the even one; what is not finite stays so. Back goes
// kernels::unpack() (weights/unpack_kernels.h).
void round_to_bfloat16(const float* x, int64_t n, uint16_t* y);

}  // namespace lora::ops::cpu
