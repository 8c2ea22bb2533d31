// Rows of scores, of keys or of words: soft caps, softmax and its gradient. Vectorised for the processor found at
// run time (Google Highway). Plain pointers, one thread: the caller divides rows among threads.
#pragma once

#include <cstdint>

namespace lora::ops::cpu {

// Of one instruction set. T: float, for training, and double, so that gradients can be checked in float64 on the same code.
template <class T>
struct ScoreKernels {
  // Soft-capping in place: s = cap * tanh(scale * s / cap). slope, unless null: the derivative of each by what s was.
  void (*softcap)(T* s, int64_t n, T scale, T cap, T* slope);
  // y *= x over n numbers.
  void (*multiply)(const T* x, int64_t n, T* y);
  // a . b over n numbers.
  T (*dot)(const T* a, const T* b, int64_t n);
  // The largest of n > 0 numbers.
  T (*max_row)(const T* s, int64_t n);
  // One row in place: s = exp(scale * s - shift). Returns their sum. With its log-sum-exp as shift it is the softmax again.
  T (*exp_row)(T* s, int64_t n, T scale, T shift);
  // One row in place: s = softmax(scale * s). Returns log(sum(exp(scale * s))).
  T (*softmax_row)(T* s, int64_t n, T scale);
  // Softmax backward, one row in place: dp = scale * p * (dp - delta).
  void (*softmax_row_backward)(const T* p, int64_t n, T delta, T scale, T* dp);
};

// Those for this processor.
template <class T>
const ScoreKernels<T>& score_kernels();

}  // namespace lora::ops::cpu
