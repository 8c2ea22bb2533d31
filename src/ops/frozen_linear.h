// Products with a frozen matrix, dense or packed, unpacked some rows at a time. The numbers differ from those of a plain product
// by the order of a sum at most. Neither autograd nor adapters here.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "weights/frozen_matrix.h"

namespace lora::ops {

// Up to so many rows of x, each thread multiplies with rows of W of its own.
constexpr int64_t kFewRows = 64;

// x W^T + add. x: (T, in), contiguous; W: (out, in); add: (T, out), (out), or undefined. The second writes to out (T, out),
// whose rows are contiguous.
at::Tensor frozen_linear(const at::Tensor& x, const FrozenMatrix& W, const at::Tensor& add);
void frozen_linear_out(const at::Tensor& x, const FrozenMatrix& W, const at::Tensor& add,
                       const at::Tensor& out);

// out = dy W, or out += dy W. dy: (T, out), out: (T, in).
void frozen_linear_transposed_out(const at::Tensor& dy, const FrozenMatrix& W, bool accumulate,
                                  const at::Tensor& out);

// W as the plain products with x read it: of its type, on its device.
at::Tensor dense_for(const at::Tensor& x, const FrozenMatrix& W);

}  // namespace lora::ops
