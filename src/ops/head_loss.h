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
// The fused twin goes through the vocabulary part by part and never keeps logits: since the head is frozen, the gradient of
// `hidden` is summed up in the same pass, relative to the largest logit so far, and only that is saved (S, d).
HeadLoss head_loss(const at::Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape,
                   const at::Tensor& targets, const at::Tensor& row_weights, Backend backend);

// Numbers that the fused twin allocates for S = `rows`.
struct HeadNumbers {
  int64_t logits;  // a part of them for each thread; nll; the gradient of `hidden` when it is wanted
  int64_t panels;  // of the head, and of the rows it is multiplied with
};
HeadNumbers head_numbers(int64_t rows, int64_t hidden, int64_t vocab, bool differentiate, int64_t threads,
                         MatmulPrecision precision);

// The logits themselves: (S, vocab). Not fused.
at::Tensor head_logits(const at::Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape);

}  // namespace lora::ops
