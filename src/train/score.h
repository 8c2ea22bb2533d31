// How well a model predicts examples: the negative log-likelihood of their supervised tokens, example by example.
#pragma once

#include <functional>
#include <vector>

#include "model/adapter.h"
#include "model/decoder.h"
#include "train/example.h"
#include "train/forest_builder.h"

namespace lora {

struct Score {
  double nll = 0;      // summed over the supervised tokens, natural logarithm
  int64_t tokens = 0;  // supervised
};

// One Score for each example, in their order. Dropout is off; two calls give equal bits. `progress`, when given, is
// called with the number of examples done; it may throw to stop.
std::vector<Score> score(const Decoder& decoder, const Adapter* adapter, const std::vector<Example>& examples,
                         ForestOptions options, const std::function<void(size_t)>& progress = {});

// All together: mean nll is total.nll / total.tokens, perplexity its exp.
Score total(const std::vector<Score>& scores);

}  // namespace lora
