// A product with few rows on the left, as a step of decoding has it: bound by reading the weight, so nothing is packed
// again first, as a GEMM library would. One thread; float and double.
#pragma once

#include <cstdint>

namespace lora::ops::cpu {

// y[i * y_stride + j] (+)= x_i . w_j for i < m, j < n. x: (m, k) and w: (n, k), both contiguous.
void few_rows_product(const float* x, int64_t m, const float* w, int64_t n, int64_t k, bool accumulate,
                      float* y, int64_t y_stride);
void few_rows_product(const double* x, int64_t m, const double* w, int64_t n, int64_t k, bool accumulate,
                      double* y, int64_t y_stride);

}  // namespace lora::ops::cpu
