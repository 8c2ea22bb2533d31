#include "ops/cpu/gemm.h"

// The BLAS standard's Fortran entry points, 32-bit integers (LP64), exported by libtorch_cpu.
extern "C" {
void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void dgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc);
}

namespace lora::ops::cpu {
namespace {

const char* letter(Transpose t) {
  return t == Transpose::kYes ? "T" : "N";
}

}  // namespace

// BLAS is column-major, where a row-major matrix reads as its transpose: C^T = op(B)^T op(A)^T.
void gemm(Transpose a_op, Transpose b_op, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  const int mi = static_cast<int>(n), ni = static_cast<int>(m), ki = static_cast<int>(k);
  const int la = static_cast<int>(lda), lb = static_cast<int>(ldb), lc = static_cast<int>(ldc);
  sgemm_(letter(b_op), letter(a_op), &mi, &ni, &ki, &alpha, b, &lb, a, &la, &beta, c, &lc);
}

void gemm(Transpose a_op, Transpose b_op, int64_t m, int64_t n, int64_t k, double alpha, const double* a,
          int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc) {
  const int mi = static_cast<int>(n), ni = static_cast<int>(m), ki = static_cast<int>(k);
  const int la = static_cast<int>(lda), lb = static_cast<int>(ldb), lc = static_cast<int>(ldc);
  dgemm_(letter(b_op), letter(a_op), &mi, &ni, &ki, &alpha, b, &lb, a, &la, &beta, c, &lc);
}

}  // namespace lora::ops::cpu
