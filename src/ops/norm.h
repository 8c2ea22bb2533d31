// RMSNorm (arXiv 1910.07467) over the rows of a matrix: as an operation of its own, and in the pieces that fused
// operations are made of.
#pragma once

#include <ATen/core/Tensor.h>

#include "base/matmul_precision.h"
#include "ops/backend.h"

namespace lora::ops {

// y = x / sqrt(mean(x^2) + eps) * weight. x: (T, d); weight: (d), frozen. `precision` says how x is kept (kept_rows.h).
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, Backend backend,
                    MatmulPrecision precision = MatmulPrecision::kHighest);

// Outside of autograd, rows begin … end - 1 on the calling thread; x, y, dy (T, d), contiguous, rstd (T):
// y, and in rstd the factor of each row.
void norm_rows(const at::Tensor& x, const at::Tensor& weight, double eps, int64_t begin, int64_t end,
               const at::Tensor& y, const at::Tensor& rstd);
// y again from the factors that were kept.
void norm_rows_again(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& rstd, int64_t begin,
                     int64_t end, const at::Tensor& y);
// In place: turns dy, the gradient of y, into the gradient of x.
void norm_rows_backward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& rstd, int64_t begin,
                        int64_t end, const at::Tensor& dy);

// The plain twin.
at::Tensor plain_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace lora::ops
