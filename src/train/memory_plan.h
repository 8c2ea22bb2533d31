// The memory of a run by category, before anything is loaded: the resident set of the whole process at its highest, as
// metrics.jsonl records it. Counts, not measurements: what there is to be measured is handed in.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/adapter.h"
#include "model/weights.h"
#include "train/pass_memory.h"

namespace lora {

// In bytes.
struct MemoryPlan {
  int64_t program = 0;      // code that is used, tokenizer, rows
  int64_t base = 0;         // the frozen model, in memory or in mapped files
  int64_t adapter = 0;      // A and B
  int64_t gradients = 0;    // of A and B
  int64_t optimizer = 0;    // its moments
  int64_t activations = 0;  // of the largest pass, kept for the backward pass
  int64_t logits = 0;       // some at a time
  int64_t workspace = 0;    // what operations hold while they run; blocks that the allocator cannot join
  int64_t cache =
      0;  // keys and values of the answers being written, as far as they exceed what training takes

  int64_t total() const;
};

// (name, bytes) in the order above: for tables and JSON.
std::vector<std::pair<std::string, int64_t>> categories(const MemoryPlan& plan);

// Bytes of an adapter's matrices in float, as Adapter lays them out, and of an optimizer's state over them. Errors: kInput
// for an unknown optimizer, and those of resolve_target_modules.
int64_t adapter_bytes(const ModelConfig& model, const AdapterConfig& adapter);
int64_t optimizer_bytes(const std::string& optim, const ModelConfig& model, const AdapterConfig& adapter);

// Answers that are written while nothing is trained.
struct AnswersShape {
  int64_t cache_rows = 0;      // tokens whose keys and values are held at once
  int64_t prefill_tokens = 0;  // most tokens that are read in one pass
  int64_t longest = 0;         // of a prompt with its answer
  int64_t batch = 0;           // answers under way together
  int64_t other_adapters = 0;  // that are asked too, in memory together
};

struct MemoryInput {
  const ModelConfig& model;
  const AdapterConfig& adapter;
  std::string optim;
  BaseBytes base;
  int64_t program = 0;  // resident before weights are loaded
  int64_t threads = 1;
  MatmulPrecision precision = MatmulPrecision::kHighest;
  std::vector<PassSize> training = {};  // passes of the run
  int64_t pass_bytes = 0;               // TrainOptions::pass_bytes
  std::vector<PassSize> scoring = {};   // of held-out rows
  AnswersShape answers = {};            // all 0: nothing is asked
};

MemoryPlan plan_memory(const MemoryInput& input, Recompute recompute);

}  // namespace lora
