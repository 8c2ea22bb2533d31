#include "model/decoder.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/profile.h"
#include "model/rope.h"
#include "ops/differentiable.h"
#include "ops/gated_mlp.h"
#include "ops/norm.h"
#include "ops/rope.h"

namespace lora {
namespace {

using at::Tensor;

Tensor index_tensor(const std::vector<int64_t>& values) {
  return at::tensor(values, at::TensorOptions().dtype(at::kLong));
}

}  // namespace

struct Decoder::Context {
  ops::AttentionLayout layout;
  const Adapter* adapter;
  std::optional<uint64_t> mask_seed;
  Recompute recompute;
  RopeTable rope{}, local_rope{};
  ops::TokenKeys keys{};  // (T), or undefined
  KvCache* cache = nullptr;
  Tensor cache_rows{};                    // (T), with a cache
  std::vector<AdapterTokens> adapters{};  // with a cache, in place of `adapter`
  // Of the last layer only these rows are read, ascending; it computes keys and values of all, and nothing else of the
  // others. Undefined: all rows.
  Tensor last_rows{};                  // (L), where the decoder computes
  ops::AttentionLayout last_layout{};  // of these rows' queries
  ops::TokenKeys last_keys{};          // (L), or undefined
  std::vector<AdapterTokens> last_adapters{};

  Context(ops::AttentionLayout layout_, const Adapter* adapter_, std::optional<uint64_t> mask_seed_,
          Recompute recompute_ = Recompute::kNone)
      : layout(std::move(layout_)), adapter(adapter_), mask_seed(mask_seed_), recompute(recompute_) {}
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
  MatmulPrecision precision = decoder.kept_precision();
  bool prunes = layer + 1 == config.num_hidden_layers && context.last_rows.defined();

  // After attention: the keys of the rows that are left.
  const ops::TokenKeys& keys_after() const { return prunes ? context.last_keys : context.keys; }

  ops::Projection projection(Module module, const std::vector<AdapterTokens>& adapters) const {
    const LinearWeights& linear = weights.module(module);
    ops::Projection projection{
        linear.weight, linear.bias,
        context.adapter ? context.adapter->term(layer, module, context.mask_seed) : std::nullopt};
    for (const auto& [begin, end, adapter] : adapters)
      if (const auto term = adapter->term(layer, module, std::nullopt))
        projection.lora_of_rows.push_back({begin, end, *term});
    return projection;
  }
  // Of the rows that are left after attention.
  ops::Projection projection_after(Module module) const {
    return projection(module, prunes ? context.last_adapters : context.adapters);
  }

  // Each of `modules` reads x, or its norm.
  std::vector<Tensor> read(const Tensor& x, const Tensor& norm, const std::vector<Module>& modules) const {
    std::vector<ops::Projection> projections;
    for (const Module module : modules) projections.push_back(projection(module, context.adapters));
    return ops::norm_linear(x, norm, config.rms_norm_eps, projections, context.keys, backend);
  }

  Tensor norm_of(const Tensor& x, const Tensor& norm) const {
    return ops::rms_norm(x, norm, config.rms_norm_eps, backend, precision);
  }

  // Turns q or k (T, heads * head_dim) by position, after its norm if it has one.
  Tensor place(Tensor x, const Tensor& norm) const {
    if (config.qk_norm != QkNorm::kNone) x = norm_of(x.reshape({-1, norm.size(0)}), norm).view(x.sizes());
    if (attributes.rope == LayerConfig::Rope::kNone) return x;
    const RopeTable& rope = attributes.rope == LayerConfig::Rope::kLocal ? context.local_rope : context.rope;
    return ops::rope(x, rope.cos, rope.sin, config.head_dim, backend);
  }

  // What attention gives for x, before o_proj: (T, num_attention_heads * head_dim), or (L, …) in a layer that prunes.
  Tensor attention(const Tensor& x) const {
    const int64_t q_width = config.num_attention_heads * config.head_dim;
    const int64_t kv_width = config.num_key_value_heads * config.head_dim;
    const std::vector<Tensor> qkv =
        config.has(Module::kQkv)
            ? at::split_with_sizes(read(x, weights.norm_before_attention, {Module::kQkv})[0],
                                   {q_width, kv_width, kv_width}, 1)
            : read(x, weights.norm_before_attention, {Module::kQ, Module::kK, Module::kV});
    Tensor q = place(qkv[0], weights.q_norm);
    if (prunes) q = q.index_select(0, context.last_rows);
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
    // Cached keys are read as they are: to round them all for each token would cost more than their products.
    return ops::attention(q, k, v, prunes ? context.last_layout : context.layout, shape, backend,
                          context.cache ? MatmulPrecision::kHighest : precision);
  }

  ops::GatedMlp mlp() const {
    ops::GatedMlp mlp{weights.norm_before_mlp,         config.rms_norm_eps, {},
                      projection_after(Module::kDown), config.activation,   plain_residual()};
    if (config.has(Module::kGateUp))
      mlp.gate_up = {projection_after(Module::kGateUp)};
    else
      mlp.gate_up = {projection_after(Module::kGate), projection_after(Module::kUp)};
    return mlp;
  }

  // Whether a projection's result is added to the residual as it is, so that the operation does both at once.
  bool plain_residual() const {
    return config.norm_placement == NormPlacement::kBefore && config.residual_multiplier == 1;
  }
  // x and what attention or the MLP gave for it.
  Tensor add(const Tensor& x, const Tensor& y, const Tensor& norm) const {
    if (plain_residual()) return y;
    return at::add(x, norm.defined() ? norm_of(y, norm) : y, config.residual_multiplier);
  }

  // x: (T, hidden_size); result: (T, hidden_size), or (L, hidden_size). `again`: only the graph of the result is wanted.
  Tensor run(const Tensor& x, bool again = false) const {
    const Tensor attention_output = attention(x);
    const Tensor left = prunes ? x.index_select(0, context.last_rows) : x;
    const Tensor attended = ops::linear_residual(attention_output, plain_residual() ? left : Tensor(),
                                                 projection_after(Module::kO), keys_after(), backend);
    const Tensor middle = add(left, attended, weights.norm_after_attention);
    const Tensor down =
        ops::gated_mlp(middle, mlp(), keys_after(), backend,
                       {.gate_up = again || context.recompute.of_layer(layer) == RecomputeLevel::kNone,
                        .result = !again || !plain_residual()});
    return add(middle, down, weights.norm_after_mlp);
  }

  // The adapter's matrices in this layer.
  std::vector<Tensor> parameters() const {
    std::vector<Tensor> all;
    for (const Module module : config.modules)
      if (context.adapter && context.adapter->has(layer, module))
        all.insert(all.end(), {context.adapter->A(layer, module), context.adapter->B(layer, module)});
    return all;
  }
};

Decoder::Decoder(ModelConfig config, ModelWeights weights, ops::Backend backend)
    : config_(std::move(config)),
      weights_(std::move(weights)),
      backend_(options().device().is_cpu() ? backend : ops::Backend::kReference) {}

// Plain operations keep all bits.
MatmulPrecision Decoder::kept_precision() const {
  return backend_ == ops::Backend::kFused ? weights_.precision() : MatmulPrecision::kHighest;
}

// What the last layer need not compute: all but keys and values of rows that nobody asks for.
void Decoder::prune(Context& context, const std::vector<int64_t>& rows, int64_t tokens) const {
  std::vector<int64_t> kept = rows;
  std::ranges::sort(kept);
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  if (kept.empty() || static_cast<int64_t>(kept.size()) == tokens) return;
  const Tensor places = index_tensor(kept);
  context.last_rows = places.to(options().device());
  context.last_layout = ops::queries_of(context.layout, kept);
  if (context.keys.defined()) context.last_keys = context.keys.index_select(0, places);
  const auto place = [&](int64_t token) { return std::ranges::lower_bound(kept, token) - kept.begin(); };
  for (const auto& [begin, end, adapter] : context.adapters)
    if (place(begin) < place(end)) context.last_adapters.push_back({place(begin), place(end), adapter});
}

// What the head reads: final hidden states, normed, of `rows`, or of all when null.
Tensor Decoder::hidden(const std::shared_ptr<Context>& context, const std::vector<int64_t>& ids,
                       const std::vector<int64_t>& positions, const std::vector<int64_t>& example_lengths,
                       const std::vector<int64_t>* rows) const {
  std::vector<int64_t> lengths = example_lengths;
  if (lengths.empty()) lengths = lengths_of_trees(positions, context->layout);
  context->rope = rope_table(config_.rope, config_.head_dim, positions, lengths, options());
  if (std::ranges::any_of(config_.layers,
                          [](const LayerConfig& l) { return l.rope == LayerConfig::Rope::kLocal; }))
    context->local_rope = rope_table(config_.local_rope, config_.head_dim, positions, lengths, options());
  if (rows) prune(*context, *rows, static_cast<int64_t>(ids.size()));
  Tensor x =
      weights_.embedding.gather(index_tensor(ids), weights_.dtype()).to(options().device());  // (T, hidden)
  if (config_.embedding_multiplier != 1) x.mul_(config_.embedding_multiplier);
  for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    const Block block{*this, *context, layer};
    x = context->recompute.of_layer(layer) == RecomputeLevel::kBlock
            ? ops::recomputed(
                  x, block.parameters(),
                  [this, context, layer](const Tensor& in, bool again) {
                    return Block{*this, *context, layer}.run(in, again);
                  },
                  kept_precision())
            : block.run(x);
  }
  if (rows) {
    Tensor places = index_tensor(*rows).to(x.device());
    if (context->last_rows.defined()) places = at::searchsorted(context->last_rows, places);
    x = x.index_select(0, places);
  }
  return ops::rms_norm(x, weights_.norm, config_.rms_norm_eps, backend_);
}

ops::HeadShape Decoder::head_shape() const {
  return {1.0 / config_.logits_scaling, config_.final_logit_softcapping};
}

ops::HeadLoss Decoder::loss(const Forest& forest, const Adapter* adapter, std::optional<uint64_t> mask_seed,
                            Recompute recompute) const {
  const ProfileScope scope("forward");
  const auto context = std::make_shared<Context>(forest.layout, adapter, mask_seed, recompute);
  if (mask_seed) context->keys = index_tensor({forest.path_keys.begin(), forest.path_keys.end()});
  const Tensor x =
      hidden(context, forest.ids, forest.positions, forest.example_lengths, &forest.rows);  // (S, hidden)
  const Tensor row_weights = at::tensor(forest.row_weights, at::kDouble).to(x.options());   // (S)
  const Tensor targets = index_tensor(forest.targets).to(x.device());
  const ops::HeadLoss loss = ops::head_loss(x, weights_.head, head_shape(), targets, row_weights, backend_);
  return {loss.loss.cpu(), loss.nll.cpu()};
}

Tensor Decoder::logits(const Forest& forest, const Adapter* adapter) const {
  const auto context = std::make_shared<Context>(forest.layout, adapter, std::nullopt);
  const Tensor x = hidden(context, forest.ids, forest.positions, forest.example_lengths, nullptr);
  return ops::head_logits(x, weights_.head, head_shape()).cpu();
}

Tensor Decoder::forward_cached(const CachedTokens& tokens, KvCache& cache) const {
  const ProfileScope scope("forward_cached");
  const c10::NoGradGuard no_grad;
  const auto context = std::make_shared<Context>(tokens.layout, nullptr, std::nullopt);
  context->cache = &cache;
  context->adapters = tokens.adapters;
  context->cache_rows = index_tensor(tokens.cache_rows).to(options().device());
  const Tensor x = hidden(context, tokens.ids, tokens.positions, {}, &tokens.rows);
  return ops::head_logits(x, weights_.head, head_shape()).cpu();
}

}  // namespace lora
