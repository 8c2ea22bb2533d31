// What answering a list of prompts needs, before any is read: room in the key-value cache, and tokens to read. For plans.
#pragma once

#include <cstdint>
#include <vector>

#include "generate/generator.h"
#include "model/config.h"

namespace lora {

struct CacheNeed {
  int64_t rows = 0;            // of the cache, held at once, with the room by which it grows
  int64_t prompt_tokens = 0;   // to be read, shared beginnings once
  int64_t prefill_tokens = 0;  // most that are read in one pass
  int64_t longest = 0;         // prompt and answer
};

// Counts with options.batch_size and options.max_new_tokens, as generate() goes about it; every answer as long as it may be.
CacheNeed cache_need(const ModelConfig& model, const std::vector<std::vector<int32_t>>& prompts,
                     const GenerateOptions& options);

}  // namespace lora
