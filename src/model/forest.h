// The flat token layout that a decoder reads: runs of tokens, who sees whom, and which rows are scored. Packing and
// prefix sharing are properties of a forest and invisible above and below it. How forests are built is train/'s business.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ops/attention.h"

namespace lora {

struct Forest {
  // T unique tokens.
  std::vector<int64_t> ids;
  std::vector<int64_t> positions;  // of each token in its own example, from 0
  // Tokens of the example that each token belongs to, those that are not read too: what a rope that depends on length
  // goes by. Empty: as far as the tree's positions reach.
  std::vector<int64_t> example_lengths;
  std::vector<uint64_t>
      path_keys;  // hash of the tokens from the example's first to this one: names its dropout masks
  ops::AttentionLayout layout;  // rows of q and k are the rows of the forest

  // S scored rows: the logits of `rows[i]` are asked for `targets[i]`, a token of example `row_examples[i]`.
  std::vector<int64_t> rows;
  std::vector<int64_t> targets;
  std::vector<int64_t> row_examples;
  std::vector<double> row_weights;  // in the loss; 1 unless the user gave the row another

  int64_t num_examples = 0;
  int64_t num_tokens = 0;  // before sharing: what the examples count together

  int64_t unique_tokens() const { return static_cast<int64_t>(ids.size()); }
  int64_t supervised_tokens() const { return static_cast<int64_t>(rows.size()); }
};

// The path key of a token from the key of the one before it (0 for the first).
uint64_t next_path_key(uint64_t before, int64_t id);

}  // namespace lora
