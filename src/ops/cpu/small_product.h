// Products of matrices that lie in a near cache, as attention and the adapter have them: short, thin, with strides, nothing laid
// out before. One thread; float and double. Products with weights are not here (panels.h).
#pragma once

#include <cstdint>

namespace lora::ops::cpu {

// A left factor: its number (i, p) lies at data[i * row + p * column], so it may be the transpose of what lies there.
template <class T>
struct LeftFactor {
  const T* data;
  int64_t row, column;
};

// c (m, n) = a b, or c += a b with `accumulate`; a: (m, k); b: (k, n), rows b_stride apart; c: rows c_stride apart.
void small_product(int64_t m, int64_t n, int64_t k, const LeftFactor<float>& a, const float* b,
                   int64_t b_stride, bool accumulate, float* c, int64_t c_stride);
void small_product(int64_t m, int64_t n, int64_t k, const LeftFactor<double>& a, const double* b,
                   int64_t b_stride, bool accumulate, double* c, int64_t c_stride);

// Columns that are multiplied at a time: right factors of so many, or of a multiple, are multiplied fastest.
template <class T>
int64_t small_product_columns();

// turned (columns, rows), rows `turned_stride` apart = the transpose of x (rows, columns), rows x_stride apart.
void turn(const float* x, int64_t x_stride, int64_t rows, int64_t columns, float* turned,
          int64_t turned_stride);
void turn(const double* x, int64_t x_stride, int64_t rows, int64_t columns, double* turned,
          int64_t turned_stride);

}  // namespace lora::ops::cpu
