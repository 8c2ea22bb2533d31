// What a training run is told, in the names of TRL, PEFT and Transformers. Each option has its default and its
// consequence beside it. Reading them from a file is run/'s business.
#pragma once

#include <cstdint>
#include <string>

#include "model/recompute.h"
#include "train/schedule.h"

namespace lora {

struct TrainOptions {
  // Examples of one optimizer step: their product. How they are dealt to passes through the model is the program's
  // business (forest_builder.h) and changes nothing.
  int64_t per_device_train_batch_size = 2;
  int64_t gradient_accumulation_steps = 4;

  double num_train_epochs = 3;
  int64_t max_steps = 0;  // above 0: overrides num_train_epochs

  double learning_rate = 2e-4;
  LrScheduler lr_scheduler_type = LrScheduler::kLinear;
  int64_t warmup_steps = 10;
  int64_t num_decay_steps = 0;   // of warmup_stable_decay, its last steps; 0: a fifth of all
  std::string optim = "adamw";   // or "adamw_8bit": moments in a quarter of the memory, nearly the same steps
  double loraplus_lr_ratio = 1;  // learning rate of B over that of A (LoRA+)
  double weight_decay = 0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_epsilon = 1e-8;
  double max_grad_norm = 1.0;  // gradients of a larger norm are scaled down to it; 0: never

  uint64_t seed = 0;           // order of the rows, initial A, dropout masks
  int64_t logging_steps = 1;   // a line of metrics.jsonl each so many steps
  int64_t eval_steps = 0;      // held-out loss and a checkpoint each so many steps; 0: ten times in a run
  bool share_prefixes = true;  // off: every example is laid alone; slower, the same result
  int64_t micro_batch_tokens =
      1024;  // most tokens in one pass through the model: more is faster, and takes more memory
  Recompute recompute =
      Recompute::kNone;  // what a pass computes again rather than keeps: slower, takes less memory
  int64_t pass_bytes =
      0;  // above 0: each pass computes as little again as keeps it within so many bytes (training_pass), `recompute` at most

  int64_t batch_size() const { return per_device_train_batch_size * gradient_accumulation_steps; }
};

// Length of a run over `rows` rows.
struct RunLength {
  int64_t steps_per_epoch;  // the last, smaller batch of an epoch counts
  int64_t total_steps;
};
RunLength run_length(const TrainOptions& options, int64_t rows);

// Held-out loss and a checkpoint each so many steps, and after the last.
int64_t checkpoint_interval(const TrainOptions& options, int64_t total_steps);

}  // namespace lora
