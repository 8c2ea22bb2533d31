// Element-wise and row-wise CPU kernels, vectorised for the processor found at run time (Google Highway).
// Plain pointers over rows, one thread: the caller divides rows among threads. Every kernel exists in float, for
// training, and in double, so that gradients can be checked in float64 on the same code; but for rounding to bfloat16.
#pragma once

#include <cstdint>

namespace lora::ops::cpu {

// RMSNorm (arXiv 1910.07467): y = x * rstd * weight with rstd = 1 / sqrt(mean(x^2) + eps), a row at a time.
// x, y: (rows, d); weight: (d); rstd: (rows), written.
void rms_norm(const float* x, const float* weight, float eps, int64_t rows, int64_t d, float* y, float* rstd);
void rms_norm(const double* x, const double* weight, double eps, int64_t rows, int64_t d, double* y,
              double* rstd);
// y again, from the rstd that the forward pass kept.
void rms_norm_again(const float* x, const float* weight, const float* rstd, int64_t rows, int64_t d,
                    float* y);
void rms_norm_again(const double* x, const double* weight, const double* rstd, int64_t rows, int64_t d,
                    double* y);
// dx = gradient of x for dy; may be the same memory as dy.
void rms_norm_backward(const float* x, const float* weight, const float* rstd, const float* dy, int64_t rows,
                       int64_t d, float* dx);
void rms_norm_backward(const double* x, const double* weight, const double* rstd, const double* dy,
                       int64_t rows, int64_t d, double* dx);

// Rotary embedding (arXiv 2104.09864) in the "rotate half" layout of Transformers: in each head the pair (i, i + n/2)
// of the first n = rotary_dim numbers is turned. cos, sin: (rows, n/2); x, y: (rows, heads * head_dim).
// direction = +1 turns forward; -1 turns back, which is the gradient. y may be x.
void rope(const float* x, const float* cos, const float* sin, int64_t rows, int64_t heads, int64_t head_dim,
          int64_t rotary_dim, float direction, float* y);
void rope(const double* x, const double* cos, const double* sin, int64_t rows, int64_t heads,
          int64_t head_dim, int64_t rotary_dim, double direction, double* y);

// SwiGLU (arXiv 2002.05202): h = silu(gate) * up over n numbers.
void swiglu(const float* gate, const float* up, int64_t n, float* h);
void swiglu(const double* gate, const double* up, int64_t n, double* h);
// dgate, dup for dh; dgate may be the memory of gate, dup that of up or dh.
void swiglu_backward(const float* gate, const float* up, const float* dh, int64_t n, float* dgate,
                     float* dup);
void swiglu_backward(const double* gate, const double* up, const double* dh, int64_t n, double* dgate,
                     double* dup);

// The same with GELU, tanh approximation (arXiv 1606.08415): h = gelu(gate) * up.
void geglu(const float* gate, const float* up, int64_t n, float* h);
void geglu(const double* gate, const double* up, int64_t n, double* h);
void geglu_backward(const float* gate, const float* up, const float* dh, int64_t n, float* dgate, float* dup);
void geglu_backward(const double* gate, const double* up, const double* dh, int64_t n, double* dgate,
                    double* dup);

// Soft-capping in place: s = cap * tanh(scale * s / cap). slope, unless null: the derivative of each by what s was.
void softcap(float* s, int64_t n, float scale, float cap, float* slope);
void softcap(double* s, int64_t n, double scale, double cap, double* slope);
// y *= x over n numbers.
void multiply(const float* x, int64_t n, float* y);
void multiply(const double* x, int64_t n, double* y);

// One row of scores in place: s = softmax(scale * s). Returns log(sum(exp(scale * s))).
float softmax_row(float* s, int64_t n, float scale);
double softmax_row(double* s, int64_t n, double scale);
// One row in place: s = exp(scale * s - shift). Returns their sum. With its log-sum-exp as shift it is the softmax again.
float exp_row(float* s, int64_t n, float scale, float shift);
double exp_row(double* s, int64_t n, double scale, double shift);
// The largest of n > 0 numbers.
float max_row(const float* s, int64_t n);
double max_row(const double* s, int64_t n);
// Softmax backward, one row in place: dp = scale * p * (dp - delta).
void softmax_row_backward(const float* p, int64_t n, float delta, float scale, float* dp);
void softmax_row_backward(const double* p, int64_t n, double delta, double scale, double* dp);

// The nearest bfloat16 of each of n numbers, of two the even one; what is not finite stays so. Back goes
// kernels::unpack().
void round_to_bfloat16(const float* x, int64_t n, uint16_t* y);

// a . b over n numbers.
float dot(const float* a, const float* b, int64_t n);
double dot(const double* a, const double* b, int64_t n);

// Dropout by counter: number j of a row is kept when hash(row_key, j) >= p * 2^31 (31-bit hash), and then scaled by 1 / (1 - p).
// y = mask * x, or y += mask * x when `accumulate`. The mask depends on nothing but (row_key, j, p).
void dropout_row(const float* x, uint64_t row_key, double p, int64_t n, bool accumulate, float* y);
void dropout_row(const double* x, uint64_t row_key, double p, int64_t n, bool accumulate, double* y);

}  // namespace lora::ops::cpu
