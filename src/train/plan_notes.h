// Where a configuration leaves the ranges in which LoRA is known to work: notes with their reasons, never errors, since a
// good reason may lead outside. Pure functions of the options and of how much data there is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"
#include "train/options.h"

namespace lora {

struct TrainingData {
  int64_t rows = 0;
  int64_t supervised_tokens = 0;  // of all rows together
};

// A sentence or two each, beginning with the key: what is set, the known range, and why it is one.
std::vector<std::string> plan_notes(const ModelConfig& model, const AdapterConfig& adapter,
                                    const TrainOptions& options, const TrainingData& data);

}  // namespace lora
