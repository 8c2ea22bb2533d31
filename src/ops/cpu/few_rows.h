// A product with few rows on the left, as a step of decoding has it: bound by reading the weight, so only the few rows are
// laid out for it, once, and the weight is read as it lies. One thread; float and double.
#pragma once

#include <cstdint>

namespace lora::ops::cpu {

// The few rows, as they are and turned: number `at` of all rows side by side, so that one number of the weight meets a
// vector of rows. Rows that do not fill a vector are not turned.
template <class T>
struct FewRows {
  const T* rows;    // (m, k), contiguous
  const T* turned;  // (k, stride), aligned to 64 bytes; see turn_rows
  int64_t m, k;
  int64_t stride;  // few_rows_stride<T>(m)
};

template <class T>
int64_t few_rows_stride(int64_t m);

// x (m, k), contiguous, to out (k, few_rows_stride(m)).
void turn_rows(const float* x, int64_t m, int64_t k, float* out);
void turn_rows(const double* x, int64_t m, int64_t k, double* out);

// y[i * y_stride + j] (+)= x_i . w_j for i < m, j < n. w: (n, k), contiguous.
void few_rows_product(const FewRows<float>& x, const float* w, int64_t n, bool accumulate, float* y,
                      int64_t y_stride);
void few_rows_product(const FewRows<double>& x, const double* w, int64_t n, bool accumulate, double* y,
                      int64_t y_stride);

}  // namespace lora::ops::cpu
