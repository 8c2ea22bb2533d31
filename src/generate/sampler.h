// Chooses the next token from logits.
#pragma once

#include <cstdint>

#include "base/random.h"

namespace lora {

struct SamplingOptions {
  double temperature = 0;  // 0: greedy, the likeliest token (of equals the one with the lowest id)
  int64_t top_k = 0;       // above 0: only the k likeliest
  double top_p = 1;  // below 1: only the likeliest whose probabilities reach p together (arXiv 1904.09751)
  uint64_t seed = 0;
};

// Errors: kInput naming the option that is out of range.
void validate(const SamplingOptions& options);

// logits: `vocab` numbers. top_k is applied before top_p, both after the temperature, as in Transformers.
int32_t sample(const float* logits, int64_t vocab, const SamplingOptions& options, Random& random);

}  // namespace lora
