// Text from prompts: many sequences at once over one key-value cache, greedy or sampled, each until it stops by itself
// or reaches its limit. What prompts have in common is read once (prompt_tree.h), and prompts for the base and for any
// number of adapters are answered in one batch. What a prompt says and what becomes of the answer is decided elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "generate/sampler.h"
#include "model/adapter.h"
#include "model/decoder.h"

namespace lora {

// Tokens of prompts that are read in one pass: bounds the memory of activations, and how long running answers wait for
// new ones.
constexpr int64_t kPrefillTokens = 1024;

struct GenerateOptions {
  SamplingOptions sampling{};
  int64_t max_new_tokens = 256;
  bool within_context = false;      // an answer has fewer where its prompt leaves no room for so many
  int64_t batch_size = 32;          // sequences decoded together
  std::vector<int32_t> stop_ids{};  // ids that end an answer; not part of it
};

// Tokens that the answer to a prompt of so many may have.
int64_t answer_limit(const GenerateOptions& options, int64_t prompt_tokens, int64_t context);

struct Answer {
  std::vector<int32_t> ids;
  bool stopped = false;  // ended by itself, not by max_new_tokens
};

struct GenerationPrompt {
  std::vector<int32_t> ids;
  const Adapter* adapter = nullptr;  // nullptr: the base
};

// One answer for each prompt, in their order. A sampled answer depends on its prompt's place among those with the same
// adapter, the seed and the model, not on the batch it was decoded in. `on_token(prompt, id)` is called for every new token, when given; it may throw to
// stop. Errors: kInput when a prompt is empty, or with max_new_tokens (within_context:
// with one token) longer than the model's context.
// `tokens_read`, unless null: how many tokens went through the model, those of shared prefixes once.
std::vector<Answer> generate(const Decoder& decoder, const std::vector<GenerationPrompt>& prompts,
                             const GenerateOptions& options,
                             const std::function<void(size_t, int32_t)>& on_token = {},
                             int64_t* tokens_read = nullptr);
// All with one adapter, or with none.
std::vector<Answer> generate(const Decoder& decoder, const Adapter* adapter,
                             const std::vector<std::vector<int32_t>>& prompts, const GenerateOptions& options,
                             const std::function<void(size_t, int32_t)>& on_token = {},
                             int64_t* tokens_read = nullptr);

}  // namespace lora
