// Rotary position embedding.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/backend.h"

namespace lora::ops {

// Turns the first 2 * cos.size(1) numbers of each head, "rotate half" layout as in Transformers (arXiv 2104.09864).
// x: (T, heads * head_dim); cos, sin: (T, rotary_dim / 2), same dtype; result: a new tensor like x.
// Saves cos and sin only.
at::Tensor rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t head_dim,
                Backend backend);

}  // namespace lora::ops
