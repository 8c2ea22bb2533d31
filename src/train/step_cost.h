// What an optimizer step of LoRA must compute, whatever program does it: the numerator of "percent of the speed of light"
// (step_bench.h) and the basis of estimates of time. A product of matrices counts 2 FLOPs a multiplication; what a better
// program could do without (padding, logits of unsupervised tokens, shared prefixes again, gradients of frozen weights,
// anything computed twice but attention's scores) counts nothing, and neither does what is not a product.
#pragma once

#include <cstdint>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"
#include "model/forest.h"

namespace lora {

// How large a step is. Steps and the forests of a step add up.
struct StepSize {
  int64_t unique_tokens = 0;      // that are read
  int64_t supervised_tokens = 0;  // that are predicted
  int64_t attended_keys =
      0;  // over all layers and tokens: the keys that the token attends to there, itself too

  StepSize& operator+=(const StepSize& other);
};

// Of one forest; windows are respected.
StepSize step_size(const ModelConfig& model, const Forest& forest);

// In FLOPs. Attention's scores are formed again in the backward pass, as arXiv 2205.14135 does: 14 in place of 12.
struct StepCost {
  // The frozen linear layers of one shape: 4 for each weight and unique token (forward, gradient of the input).
  struct Shape {
    int64_t out = 0, in = 0;
    int64_t count = 0;  // layers of the model that have it
    double flops = 0;   // of all of them
  };
  std::vector<Shape> shapes;  // in the order of use, each once

  double frozen = 0;     // of all shapes
  double adapter = 0;    // 6 for each adapter weight and unique token (gradient of the weight too)
  double attention = 0;  // 14 * keys * heads * head_dim for each layer and unique token
  double head = 0;       // 4 for each weight of the head and supervised token

  double without_head() const { return frozen + adapter + attention; }
  double total() const { return without_head() + head; }
};

// `adapter_weights`: numbers in A and B of all modules (adapter_weights() or Adapter::num_parameters()).
StepCost step_cost(const ModelConfig& model, int64_t adapter_weights, const StepSize& size);

// Without making an adapter. Errors: those of resolve_target_modules.
int64_t adapter_weights(const ModelConfig& model, const AdapterConfig& adapter);

}  // namespace lora
