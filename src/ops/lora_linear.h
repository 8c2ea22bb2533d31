// Linear layers with a frozen weight and a trained low-rank update (LoRA, arXiv 2106.09685), fused with what stands
// before and after them in a decoder block, so that only the block's inputs are saved for the backward pass:
//   norm_linear      q, k, v = Linear_i(RMSNorm(x))
//   linear_residual  y = residual + Linear(x)
// where Linear(h) = h W^T + bias + scale * (dropout(h) A^T) B^T, and W, bias and the norm's weight take no gradient.
// With weights of kMedium what is saved is rounded to bfloat16 (kept_rows.h). The MLP, which is three of them, is in gated_mlp.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "ops/backend.h"
#include "weights/frozen_matrix.h"

namespace lora::ops {

// The trained part of one projection.
struct LoraTerm {
  at::Tensor A;              // (r, in)
  at::Tensor B;              // (out, r)
  double scale = 1;          // lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora
  double dropout = 0;        // probability of dropping a number of h; 0 also means: evaluation
  uint64_t dropout_key = 0;  // names the module in its layer and step
};

// The term of rows [begin, end) of h alone: where texts with different adapters, or with none, are read in one pass.
struct LoraRows {
  int64_t begin, end;
  LoraTerm term;  // without dropout
};

struct Projection {
  FrozenMatrix weight;                   // (out, in)
  at::Tensor bias;                       // (out), or undefined
  std::optional<LoraTerm> lora;          // absent: frozen only, or the adapter is switched off
  std::vector<LoraRows> lora_of_rows{};  // added as well; takes no gradient

  at::Tensor A() const { return lora ? lora->A : at::Tensor(); }
  at::Tensor B() const { return lora ? lora->B : at::Tensor(); }
};

// One key a row of h: the hash of the token path that led there (see model/forest.h). With the module's key it names the
// row's dropout mask. Undefined when nothing is dropped. (T) int64.
using TokenKeys = at::Tensor;

// x: (T, in); norm_weight: (in), or undefined: x is read as it is; result: one (T, out_i) for each projection.
std::vector<at::Tensor> norm_linear(const at::Tensor& x, const at::Tensor& norm_weight, double eps,
                                    const std::vector<Projection>& projections, const TokenKeys& keys,
                                    Backend backend);

// x: (T, in); residual: (T, out), or undefined: nothing is added; result: (T, out).
at::Tensor linear_residual(const at::Tensor& x, const at::Tensor& residual, const Projection& projection,
                           const TokenKeys& keys, Backend backend);

// The dropout mask that a module draws: (T, width), each number 0 or 1 / (1 - p). For the plain twin and for tests.
at::Tensor dropout_mask(const TokenKeys& keys, uint64_t dropout_key, double p, int64_t width,
                        const at::TensorOptions& options);

}  // namespace lora::ops
