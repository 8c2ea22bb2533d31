#include "model/rope.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace lora {
namespace {

using at::Tensor;

// How much pair i turns from one position to the next: (rotary_dim / 2), in double.
Tensor frequencies(const RopeConfig& rope, int64_t head_dim, const std::vector<double>& factors) {
  const int64_t dim = rope.rotary_dim > 0 ? rope.rotary_dim : head_dim;
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const Tensor exponent = at::arange(dim / 2, options) * (2.0 / static_cast<double>(dim));
  Tensor frequency = at::pow(rope.rope_theta, -exponent);
  if (!factors.empty()) frequency = frequency / at::tensor(factors, options);
  // Transformers keeps the frequencies in float32; so they are rounded here too, or long texts would drift apart.
  return frequency.to(at::kFloat).to(at::kDouble);
}

}  // namespace

RopeTable rope_table(const RopeConfig& rope, int64_t head_dim, const std::vector<int64_t>& positions,
                     const std::vector<int64_t>& lengths, const at::TensorOptions& options) {
  const Tensor position = at::tensor(positions, at::TensorOptions().dtype(at::kLong)).to(at::kDouble);
  Tensor angle = at::outer(position, frequencies(rope, head_dim, rope.factors));
  if (!rope.long_factors.empty()) {
    const Tensor is_long =
        at::tensor(lengths, at::TensorOptions().dtype(at::kLong)) > rope.original_max_position_embeddings;
    angle = at::where(is_long.unsqueeze(1),
                      at::outer(position, frequencies(rope, head_dim, rope.long_factors)), angle);
  }
  const auto rounded = [&](const Tensor& t) {
    return (rope.attention_factor == 1 ? t : t * rope.attention_factor).to(options);
  };
  return {rounded(angle.cos()), rounded(angle.sin())};
}

std::vector<int64_t> lengths_of_trees(const std::vector<int64_t>& positions,
                                      const ops::AttentionLayout& layout) {
  std::vector<int64_t> lengths(positions.size());
  for (size_t tree = 0; tree < layout.tree_begin.size(); ++tree) {
    const size_t first = layout.tree_begin[tree];
    const size_t last =
        tree + 1 < layout.tree_begin.size() ? layout.tree_begin[tree + 1] : layout.blocks.size();
    if (first == last) continue;
    const int64_t begin = layout.blocks[first].q_begin, end = layout.blocks[last - 1].q_end;
    std::fill(lengths.begin() + begin, lengths.begin() + end,
              1 + *std::max_element(positions.begin() + begin, positions.begin() + end));
  }
  return lengths;
}

}  // namespace lora
