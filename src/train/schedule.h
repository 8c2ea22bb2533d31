// The learning rate of each optimizer step. The same numbers as Transformers' schedules of these names.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/error.h"

namespace lora {

enum class LrScheduler { kLinear, kCosine, kConstant, kConstantWithWarmup, kWarmupStableDecay };

struct Schedule {
  LrScheduler type = LrScheduler::kLinear;
  double learning_rate = 2e-4;  // the peak
  int64_t warmup_steps = 0;     // rises linearly from 0; kConstant has none
  int64_t total_steps = 1;
  int64_t decay_steps = 0;  // of kWarmupStableDecay, its last ones; 0: a fifth of all

  // `step` counts from 0.
  double at(int64_t step) const {
    if (type == LrScheduler::kConstant) return learning_rate;
    if (step < warmup_steps)
      return learning_rate * static_cast<double>(step) / static_cast<double>(warmup_steps);
    if (type == LrScheduler::kConstantWithWarmup) return learning_rate;
    int64_t begin = warmup_steps;
    if (type == LrScheduler::kWarmupStableDecay) {
      const int64_t decay = decay_steps > 0 ? decay_steps : (total_steps + 4) / 5;
      begin = std::max(begin, total_steps - decay);
      if (step < begin) return learning_rate;
      if (step >= total_steps) return 0;
    }
    const double length = static_cast<double>(total_steps > begin ? total_steps - begin : 1);
    const double progress = static_cast<double>(step - begin) / length;
    const double factor = type == LrScheduler::kLinear ? 1 - progress : 0.5 * (1 + std::cos(M_PI * progress));
    return learning_rate * (factor > 0 ? factor : 0);
  }
};

// "linear", "cosine", "constant", "constant_with_warmup", "warmup_stable_decay" (arXiv 2404.06395). Errors: kInput for another name.
inline LrScheduler parse_lr_scheduler(const std::string& name) {
  if (name == "linear") return LrScheduler::kLinear;
  if (name == "cosine") return LrScheduler::kCosine;
  if (name == "constant") return LrScheduler::kConstant;
  if (name == "constant_with_warmup") return LrScheduler::kConstantWithWarmup;
  if (name == "warmup_stable_decay") return LrScheduler::kWarmupStableDecay;
  throw Error::input({.where = "lr_scheduler_type",
                      .found = "there is no schedule \"" + name + "\"",
                      .expected = "linear, cosine, constant, constant_with_warmup or warmup_stable_decay"});
}

inline std::string lr_scheduler_name(LrScheduler type) {
  switch (type) {
    case LrScheduler::kLinear:
      return "linear";
    case LrScheduler::kCosine:
      return "cosine";
    case LrScheduler::kConstant:
      return "constant";
    case LrScheduler::kConstantWithWarmup:
      return "constant_with_warmup";
    case LrScheduler::kWarmupStableDecay:
      return "warmup_stable_decay";
  }
  __builtin_unreachable();
}

}  // namespace lora
