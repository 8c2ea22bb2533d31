// One-thread matrix products on raw row-major memory with row strides, for use inside a parallel region. The routines
// are the BLAS ones (MKL or OpenBLAS) that LibTorch carries.
#pragma once

#include <cstdint>

namespace lora::ops::cpu {

enum class Transpose { kNo, kYes };

// C = alpha * op(A) * op(B) + beta * C, all row-major: op(A) is (m, k), op(B) is (k, n), C is (m, n).
// lda, ldb, ldc: distance between rows as they lie in memory.
void gemm(Transpose a_op, Transpose b_op, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);
void gemm(Transpose a_op, Transpose b_op, int64_t m, int64_t n, int64_t k, double alpha, const double* a,
          int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc);

}  // namespace lora::ops::cpu
