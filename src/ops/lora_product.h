// One linear layer with its low-rank update, outside of autograd: the forward pass as the fused operations use it, what it
// keeps, and the backward pass over that. Inside ops/ only; lora_linear.h and gated_mlp.h build differentiable operations
// of it.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/lora_linear.h"

namespace lora::ops {

// One projection as the forward pass used it: detached, and with u kept.
struct SavedProjection {
  FrozenMatrix weight;
  at::Tensor bias;               // (out), or undefined
  std::optional<LoraTerm> lora;  // A, B detached
  std::vector<LoraRows> lora_of_rows;
  at::Tensor u;  // dropout(h) A^T: (T, r); undefined without lora

  explicit SavedProjection(const Projection& projection);
  bool has_lora() const { return lora.has_value(); }
};

// y = h W^T (+ bias) (+ residual) + scale * u B^T. h: (T, in); residual: (T, out), or undefined. Fills saved.u.
at::Tensor product_forward(const at::Tensor& h, SavedProjection& saved, const TokenKeys& keys,
                           const at::Tensor& residual = {});
// y again, without a residual, from the u that was kept.
at::Tensor product_again(const at::Tensor& h, const SavedProjection& saved);
// Fills saved.u alone, where y itself is not wanted.
void low_rank_forward(const at::Tensor& h, SavedProjection& saved, const TokenKeys& keys);

struct LoraGradients {
  at::Tensor A, B;  // undefined without lora
};

// Gradients of A and B for dy (T, out). With `need_dh` the gradient of h is added to dh, or dh is made when undefined.
LoraGradients product_backward(const at::Tensor& h, const SavedProjection& saved, const at::Tensor& dy,
                               const TokenKeys& keys, bool need_dh, at::Tensor& dh);

// The plain twin of product_forward, for autograd to differentiate.
at::Tensor plain_product(const at::Tensor& h, const Projection& projection, const TokenKeys& keys);

}  // namespace lora::ops
