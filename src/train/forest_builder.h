// Lays examples into forests: packed one after another without padding, and with prefixes that several share laid once.
// Which examples form an optimizer step is decided elsewhere; how they are dealt to micro-batches is decided here, and
// changes neither loss nor gradient.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/forest.h"
#include "model/recompute.h"
#include "train/example.h"

namespace lora {

struct ForestOptions {
  bool share_prefixes = true;  // where it pays
  int64_t max_tokens = 512;    // unique tokens a forest may hold; an example that is longer stands alone
  // Examples of more tokens than this share nothing with those of fewer (ModelConfig::long_rope_length); 0: all may share.
  int64_t split_length = 0;
  Recompute recompute = Recompute::kNone;  // what a pass keeps; slower and smaller, the same result
  int64_t pass_bytes = 0;                  // TrainOptions::pass_bytes
};

// One forest of all `examples`. Forest::row_examples index into `examples`. Every token before an example's last
// supervised one is laid; with `share_prefixes` a prefix common to several examples is laid once (any that is at least
// 8 tokens long).
Forest build_forest(const std::vector<const Example*>& examples, bool share_prefixes,
                    int64_t split_length = 0);

// Whether each_forest shares prefixes: where options have it, and it leaves out 5 % of the tokens of `examples` at least.
bool sharing_pays(const std::vector<const Example*>& examples, const ForestOptions& options);

// Deals `examples` to forests of at most options.max_tokens, of about equal size, neighbours by common prefix together.
// Each element lists indices into `examples`.
std::vector<std::vector<size_t>> deal(const std::vector<const Example*>& examples,
                                      const ForestOptions& options);

// body(forest, members) for each forest that `examples` are dealt to, one after the other; prefixes are shared where
// sharing_pays(). Forest::row_examples index into `members`.
void each_forest(const std::vector<const Example*>& examples, const ForestOptions& options,
                 const std::function<void(Forest forest, const std::vector<const Example*>& members)>& body);

}  // namespace lora
