#include "model/decoder.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "ops/rope.h"

namespace lora {
namespace {

using at::Tensor;

Tensor index_tensor(const std::vector<int64_t>& values) {
  return at::tensor(values, at::TensorOptions().dtype(at::kLong));
}

}  // namespace

struct Decoder::Context {
  const ops::AttentionLayout& layout;
  const Adapter* adapter;
  std::optional<uint64_t> mask_seed;
  Tensor cos, sin;      // (T, head_dim / 2)
  ops::TokenKeys keys;  // (T), or undefined
  KvCache* cache = nullptr;
  Tensor cache_rows{};  // (T), with a cache
};

Decoder::Decoder(ModelConfig config, ModelWeights weights, ops::Backend backend)
    : config_(std::move(config)), weights_(std::move(weights)), backend_(backend) {}

// cos and sin of position * theta^(-2i / head_dim), computed in double and rounded once.
std::pair<Tensor, Tensor> Decoder::rope_table(const std::vector<int64_t>& positions) const {
  const int64_t half = config_.head_dim / 2;
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const Tensor exponent = at::arange(half, options) * (2.0 / static_cast<double>(config_.head_dim));
  // Transformers keeps the frequencies in float32; so they are rounded here too, or long texts would drift apart.
  const Tensor frequency = at::pow(config_.rope_theta, -exponent).to(at::kFloat).to(at::kDouble);
  const Tensor position = at::tensor(positions, at::TensorOptions().dtype(at::kLong)).to(at::kDouble);
  const Tensor angle = at::outer(position, frequency);
  return {angle.cos().to(dtype()), angle.sin().to(dtype())};
}

ops::Projection Decoder::projection(int64_t layer, Module module, const Context& context) const {
  const LinearWeights& linear = weights_.blocks[static_cast<size_t>(layer)].module(module);
  return {linear.weight, linear.bias,
          context.adapter ? context.adapter->term(layer, module, context.mask_seed) : std::nullopt};
}

Tensor Decoder::block(int64_t layer, const Tensor& x, const Context& context) const {
  const BlockWeights& weights = weights_.blocks[static_cast<size_t>(layer)];
  const auto p = [&](Module m) { return projection(layer, m, context); };

  const auto qkv = ops::norm_linear(x, weights.input_norm, config_.rms_norm_eps,
                                    {p(Module::kQ), p(Module::kK), p(Module::kV)}, context.keys, backend_);
  const Tensor q =
      ops::rope(qkv[0], context.cos, context.sin, config_.head_dim, backend_);  // (T, heads * head_dim)
  Tensor k =
      ops::rope(qkv[1], context.cos, context.sin, config_.head_dim, backend_);  // (T, kv heads * head_dim)
  Tensor v = qkv[2];
  if (context.cache) {
    auto& cached_k = context.cache->keys[static_cast<size_t>(layer)];
    auto& cached_v = context.cache->values[static_cast<size_t>(layer)];
    cached_k.index_copy_(0, context.cache_rows, k);
    cached_v.index_copy_(0, context.cache_rows, v);
    k = cached_k;
    v = cached_v;
  }
  const ops::AttentionShape shape{config_.num_attention_heads, config_.num_key_value_heads, config_.head_dim,
                                  1.0 / std::sqrt(static_cast<double>(config_.head_dim))};
  const Tensor attended = ops::attention(q, k, v, context.layout, shape, backend_);
  const Tensor middle =
      ops::linear_residual(attended, x, p(Module::kO), context.keys, backend_);  // (T, hidden)

  const auto gate_up = ops::norm_linear(middle, weights.post_attention_norm, config_.rms_norm_eps,
                                        {p(Module::kGate), p(Module::kUp)}, context.keys, backend_);
  return ops::swiglu_linear_residual(gate_up[0], gate_up[1], middle, p(Module::kDown), context.keys,
                                     backend_);
}

Tensor Decoder::hidden(const Context& context, const std::vector<int64_t>& ids) const {
  Tensor x = weights_.embedding.index_select(0, index_tensor(ids));  // (T, hidden)
  for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) x = block(layer, x, context);
  return x;
}

ops::HeadLoss Decoder::loss(const Forest& forest, const Adapter* adapter,
                            std::optional<uint64_t> mask_seed) const {
  Context context{forest.layout, adapter, mask_seed, {}, {}, {}};
  std::tie(context.cos, context.sin) = rope_table(forest.positions);
  if (mask_seed) context.keys = index_tensor({forest.path_keys.begin(), forest.path_keys.end()});
  const Tensor x = hidden(context, forest.ids).index_select(0, index_tensor(forest.rows));  // (S, hidden)
  const Tensor normed = ops::rms_norm(x, weights_.norm, config_.rms_norm_eps, backend_);
  const Tensor row_weights = at::tensor(forest.row_weights, at::kDouble).to(normed.options());  // (S)
  return ops::head_loss(normed, weights_.head, index_tensor(forest.targets), row_weights, backend_);
}

Tensor Decoder::logits(const Forest& forest, const Adapter* adapter) const {
  Context context{forest.layout, adapter, std::nullopt, {}, {}, {}};
  std::tie(context.cos, context.sin) = rope_table(forest.positions);
  const Tensor normed =
      ops::rms_norm(hidden(context, forest.ids), weights_.norm, config_.rms_norm_eps, backend_);
  return at::mm(normed, weights_.head.t());
}

Tensor Decoder::forward_cached(const CachedTokens& tokens, KvCache& cache, const Adapter* adapter) const {
  const c10::NoGradGuard no_grad;
  Context context{tokens.layout, adapter, std::nullopt, {}, {}, {}, &cache, index_tensor(tokens.cache_rows)};
  std::tie(context.cos, context.sin) = rope_table(tokens.positions);
  const Tensor x = hidden(context, tokens.ids).index_select(0, index_tensor(tokens.rows));
  return at::mm(ops::rms_norm(x, weights_.norm, config_.rms_norm_eps, backend_), weights_.head.t());
}

}  // namespace lora
