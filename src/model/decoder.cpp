#include "model/decoder.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "model/rope.h"
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
  RopeTable rope{}, local_rope{};
  ops::TokenKeys keys{};  // (T), or undefined
  KvCache* cache = nullptr;
  Tensor cache_rows{};  // (T), with a cache
};

// One layer of one pass: its weights, its attributes, and its projections with their adapters.
struct Decoder::Block {
  const Decoder& decoder;
  const Context& context;
  int64_t layer;
  const BlockWeights& weights = decoder.weights_.blocks[static_cast<size_t>(layer)];
  const ModelConfig& config = decoder.config_;
  LayerConfig attributes = config.layer(layer);
  ops::Backend backend = decoder.backend_;

  ops::Projection projection(Module module) const {
    const LinearWeights& linear = weights.module(module);
    return {linear.weight, linear.bias,
            context.adapter ? context.adapter->term(layer, module, context.mask_seed) : std::nullopt};
  }

  // Each of `modules` reads x, or its norm.
  std::vector<Tensor> read(const Tensor& x, const Tensor& norm, const std::vector<Module>& modules) const {
    std::vector<ops::Projection> projections;
    for (const Module module : modules) projections.push_back(projection(module));
    return ops::norm_linear(x, norm, config.rms_norm_eps, projections, context.keys, backend);
  }

  // Turns q or k (T, heads * head_dim) by position, after its norm if it has one.
  Tensor place(Tensor x, const Tensor& norm) const {
    if (config.qk_norm != QkNorm::kNone)
      x = ops::rms_norm(x.reshape({-1, norm.size(0)}), norm, config.rms_norm_eps, backend).view(x.sizes());
    if (attributes.rope == LayerConfig::Rope::kNone) return x;
    const RopeTable& rope = attributes.rope == LayerConfig::Rope::kLocal ? context.local_rope : context.rope;
    return ops::rope(x, rope.cos, rope.sin, config.head_dim, backend);
  }

  // What attention gives for x, before o_proj: (T, num_attention_heads * head_dim).
  Tensor attention(const Tensor& x) const {
    const int64_t q_width = config.num_attention_heads * config.head_dim;
    const int64_t kv_width = config.num_key_value_heads * config.head_dim;
    const std::vector<Tensor> qkv =
        config.has(Module::kQkv)
            ? at::split_with_sizes(read(x, weights.norm_before_attention, {Module::kQkv})[0],
                                   {q_width, kv_width, kv_width}, 1)
            : read(x, weights.norm_before_attention, {Module::kQ, Module::kK, Module::kV});
    const Tensor q = place(qkv[0], weights.q_norm);
    Tensor k = place(qkv[1], weights.k_norm), v = qkv[2];
    if (context.cache) {
      auto& cached_k = context.cache->keys[static_cast<size_t>(layer)];
      auto& cached_v = context.cache->values[static_cast<size_t>(layer)];
      cached_k.index_copy_(0, context.cache_rows, k);
      cached_v.index_copy_(0, context.cache_rows, v);
      k = cached_k;
      v = cached_v;
    }
    const ops::AttentionShape shape{
        config.num_attention_heads, config.num_key_value_heads,    config.head_dim,
        config.attention_scale(),   config.attn_logit_softcapping, attributes.sliding_window};
    return ops::attention(q, k, v, context.layout, shape, backend);
  }

  // (gate, up) for x, each (T, intermediate_size).
  std::vector<Tensor> gate_up(const Tensor& x) const {
    if (config.has(Module::kGateUp))
      return at::chunk(read(x, weights.norm_before_mlp, {Module::kGateUp})[0], 2, 1);
    return read(x, weights.norm_before_mlp, {Module::kGate, Module::kUp});
  }

  // Whether a projection's result is added to the residual as it is, so that the operation does both at once.
  bool plain_residual() const {
    return config.norm_placement == NormPlacement::kBefore && config.residual_multiplier == 1;
  }
  // x and what attention or the MLP gave for it.
  Tensor add(const Tensor& x, const Tensor& y, const Tensor& norm) const {
    if (plain_residual()) return y;
    return at::add(x, norm.defined() ? ops::rms_norm(y, norm, config.rms_norm_eps, backend) : y,
                   config.residual_multiplier);
  }

  Tensor run(const Tensor& x) const {  // (T, hidden_size)
    const Tensor none, &residual = plain_residual() ? x : none;
    const Tensor attended =
        ops::linear_residual(attention(x), residual, projection(Module::kO), context.keys, backend);
    const Tensor middle = add(x, attended, weights.norm_after_attention);

    const std::vector<Tensor> gated = gate_up(middle);
    const Tensor& middle_residual = plain_residual() ? middle : none;
    const Tensor down = ops::gated_linear_residual(config.activation, gated[0], gated[1], middle_residual,
                                                   projection(Module::kDown), context.keys, backend);
    return add(middle, down, weights.norm_after_mlp);
  }
};

Decoder::Decoder(ModelConfig config, ModelWeights weights, ops::Backend backend)
    : config_(std::move(config)), weights_(std::move(weights)), backend_(backend) {}

// What the head reads: final hidden states, normed, of `rows`, or of all when null.
Tensor Decoder::hidden(Context& context, const std::vector<int64_t>& ids,
                       const std::vector<int64_t>& positions, const std::vector<int64_t>& example_lengths,
                       const std::vector<int64_t>* rows) const {
  std::vector<int64_t> lengths = example_lengths;
  if (lengths.empty()) lengths = lengths_of_trees(positions, context.layout);
  context.rope = rope_table(config_.rope, config_.head_dim, positions, lengths, dtype());
  if (std::ranges::any_of(config_.layers,
                          [](const LayerConfig& l) { return l.rope == LayerConfig::Rope::kLocal; }))
    context.local_rope = rope_table(config_.local_rope, config_.head_dim, positions, lengths, dtype());
  Tensor x = weights_.embedding.gather(index_tensor(ids), dtype());  // (T, hidden)
  if (config_.embedding_multiplier != 1) x.mul_(config_.embedding_multiplier);
  for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) x = Block{*this, context, layer}.run(x);
  if (rows) x = x.index_select(0, index_tensor(*rows));
  return ops::rms_norm(x, weights_.norm, config_.rms_norm_eps, backend_);
}

ops::HeadShape Decoder::head_shape() const {
  return {1.0 / config_.logits_scaling, config_.final_logit_softcapping};
}

ops::HeadLoss Decoder::loss(const Forest& forest, const Adapter* adapter,
                            std::optional<uint64_t> mask_seed) const {
  Context context{forest.layout, adapter, mask_seed};
  if (mask_seed) context.keys = index_tensor({forest.path_keys.begin(), forest.path_keys.end()});
  const Tensor x =
      hidden(context, forest.ids, forest.positions, forest.example_lengths, &forest.rows);  // (S, hidden)
  const Tensor row_weights = at::tensor(forest.row_weights, at::kDouble).to(x.options());   // (S)
  return ops::head_loss(x, weights_.head, head_shape(), index_tensor(forest.targets), row_weights, backend_);
}

Tensor Decoder::logits(const Forest& forest, const Adapter* adapter) const {
  Context context{forest.layout, adapter, std::nullopt};
  const Tensor x = hidden(context, forest.ids, forest.positions, forest.example_lengths, nullptr);
  return ops::head_logits(x, weights_.head, head_shape());
}

Tensor Decoder::forward_cached(const CachedTokens& tokens, KvCache& cache, const Adapter* adapter) const {
  const c10::NoGradGuard no_grad;
  Context context{tokens.layout, adapter, std::nullopt};
  context.cache = &cache;
  context.cache_rows = index_tensor(tokens.cache_rows);
  const Tensor x = hidden(context, tokens.ids, tokens.positions, {}, &tokens.rows);
  return ops::head_logits(x, weights_.head, head_shape());
}

}  // namespace lora
