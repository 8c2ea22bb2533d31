// The optimizer step. Everything else in training prepares for it or records it.
#pragma once

#include <cstdint>
#include <vector>

#include "model/adapter.h"
#include "model/decoder.h"
#include "train/example.h"
#include "train/forest_builder.h"
#include "train/optimizer.h"

namespace lora {

struct StepResult {
  double loss = 0;       // mean nll over the step's supervised tokens, each with its row's weight
  double grad_norm = 0;  // of the mean loss, before clipping
  int64_t examples = 0, tokens = 0, unique_tokens = 0, supervised_tokens = 0;
  double weight = 0;   // of the supervised tokens together; their number when no row has a weight
  bool finite = true;  // false: a loss or gradient was not, and nothing was changed
  std::vector<size_t> bad_lines{};  // lines of the rows whose loss was not finite
};

// One step of `optimizer` on `examples`. The gradient is that of the (weighted) mean over all supervised tokens of the
// step, however its examples are dealt to passes. `mask_seed` names the step's dropout masks.
StepResult train_step(const Decoder& decoder, Adapter& adapter, Optimizer& optimizer,
                      const std::vector<const Example*>& examples, const ForestOptions& forests,
                      double learning_rate, double max_grad_norm, uint64_t mask_seed);

// The gradients alone, of the summed loss, left in adapter.gradients(). For train_step and for tests.
StepResult accumulate_gradients(const Decoder& decoder, Adapter& adapter,
                                const std::vector<const Example*>& examples, ForestOptions forests,
                                uint64_t mask_seed);

}  // namespace lora
