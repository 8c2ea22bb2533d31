// Linear layers with their low-rank updates, outside of autograd: the forward pass as the fused operations use it, what
// it keeps, and the backward pass over that. Layers that read the same input are worked on together, each thread taking
// rows of its own through all that happens to them (row_blocks.h). Inside ops/ only; lora_linear.h and gated_mlp.h build
// differentiable operations of it.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "ops/lora_linear.h"

namespace lora::ops {

// One projection as the forward pass used it: detached, and with u kept.
struct SavedProjection {
  FrozenMatrix weight;
  at::Tensor bias;               // (out), or undefined
  std::optional<LoraTerm> lora;  // A, B detached, contiguous
  std::vector<LoraRows> lora_of_rows;
  at::Tensor u;  // dropout(h) A^T: (T, r); undefined without lora

  explicit SavedProjection(const Projection& projection);
  bool has_lora() const { return lora.has_value(); }
};
using SavedGroup = std::vector<SavedProjection>;  // that read the same h
// The precision of products with all of them, which also says how what they read is kept (kept_rows.h).
MatmulPrecision precision_of(const SavedGroup& group);

// Something done to rows begin … end - 1, on the thread whose rows they are.
using RowWork = std::function<void(int64_t begin, int64_t end)>;

// What a group reads: h (T, in), contiguous. `make`, if any, fills rows of it just before they are read for the first time.
struct ProductInput {
  at::Tensor h;
  RowWork make = {};
};

// One y_i = h W_i^T (+ bias_i) (+ residual) + scale * u_i B_i^T for each of the group, (T, out_i); fills u.
// residual: (T, out), or undefined. `kept`: a backward pass follows; without one, few rows take a faster way.
std::vector<at::Tensor> products_forward(const ProductInput& input, SavedGroup& group, const TokenKeys& keys,
                                         bool kept, const at::Tensor& residual = {});
// The same without residual, from the u that was kept.
std::vector<at::Tensor> products_again(const ProductInput& input, const SavedGroup& group);
// Fills u alone, where y itself is not wanted.
void low_rank_forward(const ProductInput& input, SavedGroup& group, const TokenKeys& keys);

struct LoraGradients {
  at::Tensor A, B;  // undefined without lora
};

// Gradients of A and B for the gradients dy_i (T, out_i) of each y. dh: (T, in), undefined when not wanted; written.
// `done`: what is done to rows of dh once they are complete.
std::vector<LoraGradients> products_backward(const ProductInput& input, const SavedGroup& group,
                                             const std::vector<at::Tensor>& dy, const TokenKeys& keys,
                                             const at::Tensor& dh, const RowWork& done = {});

// The plain twin of products_forward for one projection, for autograd to differentiate.
at::Tensor plain_product(const at::Tensor& h, const Projection& projection, const TokenKeys& keys);

}  // namespace lora::ops
