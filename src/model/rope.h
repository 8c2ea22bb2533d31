// The angles by which rotary embeddings turn q and k. What is turned by them, and how, is ops/rope.h's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "ops/attention.h"

namespace lora {

struct RopeTable {
  at::Tensor cos, sin;  // (T, rotary_dim / 2)
};

// The table for tokens at `positions` of sequences of `lengths` tokens (read only where long_factors are), of the type and on
// the device of `options`.
RopeTable rope_table(const RopeConfig& rope, int64_t head_dim, const std::vector<int64_t>& positions,
                     const std::vector<int64_t>& lengths, const at::TensorOptions& options);

// For each token, how many its sequence, a tree of `layout`, has so far: its last position and one.
std::vector<int64_t> lengths_of_trees(const std::vector<int64_t>& positions,
                                      const ops::AttentionLayout& layout);

}  // namespace lora
