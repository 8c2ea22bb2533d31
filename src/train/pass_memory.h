// The memory that one pass through the model takes beside the weights, counted and not measured: what the operations of
// ops/ keep for the backward pass and what they hold while they run. Pure arithmetic on sizes; pass_memory_test.cpp holds
// it to what is really allocated.
#pragma once

#include <cstdint>
#include <vector>

#include "base/matmul_precision.h"
#include "model/adapter.h"
#include "model/config.h"
#include "model/forest.h"
#include "model/recompute.h"

namespace lora {

// How large a pass is.
struct PassSize {
  int64_t tokens = 0;      // unique ones, that are read
  int64_t supervised = 0;  // that are predicted
  int64_t last_rows = 0;   // distinct rows of the last layer that the head reads
  int64_t keys = 0;        // most keys that a query sees
};
PassSize pass_size(const Forest& forest);

// What a pass goes through.
struct PassModel {
  const ModelConfig& config;
  std::vector<std::vector<Module>> adapted;  // for each layer, the modules that have an adapter
  int64_t r = 0;
  bool dropout = false;
  int64_t threads = 1;
  MatmulPrecision precision = MatmulPrecision::kHighest;
};
// Errors: those of resolve_target_modules.
PassModel pass_model(const ModelConfig& config, const AdapterConfig& adapter, int64_t threads,
                     MatmulPrecision precision);

// In bytes, at the moment that takes most.
struct PassBytes {
  int64_t activations = 0;  // kept for the backward pass
  int64_t logits = 0;       // some at a time, with what the head reads and gives
  int64_t workspace =
      0;  // what layers hold while they run, as far as it exceeds the logits, whose room it takes

  int64_t total() const { return activations + logits + workspace; }
};

// Forward and backward.
PassBytes training_pass(const PassModel& model, const PassSize& size, Recompute recompute);
// The least that keeps training_pass() within `bytes`, of what computes no more again than `most`; else, and with 0 bytes, `most`.
Recompute least_recompute(const PassModel& model, const PassSize& size, int64_t bytes, Recompute most);
// Forward alone: scoring, and the reading of prompts, where `logit_rows` logits are formed at once (0: in chunks).
PassBytes reading_pass(const PassModel& model, const PassSize& size, int64_t logit_rows = 0);

}  // namespace lora
