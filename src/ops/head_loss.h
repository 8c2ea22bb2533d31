// The head of a language model and its loss, on supervised rows only.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/backend.h"
#include "weights/frozen_matrix.h"

namespace lora::ops {

struct HeadLoss {
  at::Tensor loss;  // scalar: sum over rows of weight * nll; differentiable with respect to hidden
  at::Tensor nll;   // (S) -log softmax(hidden W^T)[target], natural logarithm; not differentiable
};

// What stands between the head and the softmax.
struct HeadShape {
  double scale = 1;    // of hidden W^T
  double softcap = 0;  // logits l become softcap * tanh(l / softcap); 0: not capped
};

// hidden: (S, d); weight: (vocab, d), frozen; targets: (S) int64 in [0, vocab); row_weights: (S), dtype of hidden.
// The fused twin goes through the rows in chunks and never keeps logits: since the head is frozen, the gradient of
// `hidden` is computed in the same pass and only that is saved (S, d).
HeadLoss head_loss(const at::Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape,
                   const at::Tensor& targets, const at::Tensor& row_weights, Backend backend);

// What the fused twin allocates for S = `rows`: a chunk of logits, nll, and the gradient of `hidden` when it is wanted.
int64_t head_loss_bytes(int64_t rows, int64_t hidden, int64_t vocab, bool differentiate,
                        int64_t number_bytes);

// The logits themselves: (S, vocab). Not fused.
at::Tensor head_logits(const at::Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape);

}  // namespace lora::ops
