#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/families/families.h"

namespace lora {
namespace {

// Far above any real model; keeps the bytes of all layers together within 64 bits.
constexpr int64_t kLargest = int64_t{1} << 22;
constexpr int64_t kMostLayers = 4096;

void require(bool holds, const std::string& where, const std::string& found, const std::string& expected) {
  if (!holds)
    throw Error::input({.where = where,
                        .found = found,
                        .expected = expected,
                        .fix = "The checkpoint is damaged, or not of this family."});
}

void require_size(int64_t value, int64_t largest, const std::string& where, const std::string& key) {
  require(value >= 1 && value <= largest, where, key + " is " + std::to_string(value),
          "a number from 1 to " + std::to_string(largest));
}

void validate(const RopeConfig& rope, const ModelConfig& c, const std::string& where) {
  require(rope.rope_theta >= 1 && rope.rope_theta < 1e12, where,
          "rope_theta is " + std::to_string(rope.rope_theta), "a number from 1 to 1e12");
  require(rope.rotary_dim >= 0 && rope.rotary_dim <= c.head_dim && rope.rotary_dim % 2 == 0, where,
          std::to_string(rope.rotary_dim) + " numbers of each head are turned",
          "an even number up to head_dim, " + std::to_string(c.head_dim));
  require(std::isfinite(rope.attention_factor) && rope.attention_factor > 0, where,
          "the attention factor of RoPE is " + std::to_string(rope.attention_factor), "a number above 0");
  const auto pairs = static_cast<size_t>((rope.rotary_dim > 0 ? rope.rotary_dim : c.head_dim) / 2);
  for (const auto* factors : {&rope.factors, &rope.long_factors}) {
    require(factors->empty() || factors->size() == pairs, where,
            std::to_string(factors->size()) + " factors of RoPE", std::to_string(pairs));
    for (const double factor : *factors)
      require(std::isfinite(factor) && factor > 0, where, "a factor of RoPE is " + std::to_string(factor),
              "a number above 0");
  }
  require(rope.long_factors.empty() || rope.original_max_position_embeddings > 0, where,
          "original_max_position_embeddings is " + std::to_string(rope.original_max_position_embeddings),
          "1 or more");
}

}  // namespace

bool ModelConfig::has(Module module) const {
  return std::ranges::find(modules, module) != modules.end();
}

double ModelConfig::attention_scale() const {
  return attention_multiplier != 0 ? attention_multiplier : 1.0 / std::sqrt(static_cast<double>(head_dim));
}

int64_t ModelConfig::num_parameters() const {
  int64_t layer = hidden_size * (norm_placement == NormPlacement::kBoth ? 4 : 2);
  for (const Module module : modules) {
    const auto [out, in] = module_shape(*this, module);
    layer += out * in + (module_has_bias(*this, module) ? out : 0);
  }
  if (qk_norm == QkNorm::kHead) layer += 2 * head_dim;
  if (qk_norm == QkNorm::kProjection) layer += (num_attention_heads + num_key_value_heads) * head_dim;
  return layer * num_hidden_layers + hidden_size + vocab_size * hidden_size * (tie_word_embeddings ? 1 : 2);
}

void validate(const ModelConfig& c, const std::string& where) {
  require_size(c.vocab_size, kLargest, where, "vocab_size");
  require_size(c.hidden_size, kLargest, where, "hidden_size");
  require_size(c.intermediate_size, kLargest, where, "intermediate_size");
  require_size(c.num_hidden_layers, kMostLayers, where, "num_hidden_layers");
  require_size(c.num_attention_heads, kLargest, where, "num_attention_heads");
  require_size(c.num_key_value_heads, kLargest, where, "num_key_value_heads");
  require_size(c.head_dim, kLargest, where, "head_dim");
  require_size(c.max_position_embeddings, int64_t{1} << 31, where, "max_position_embeddings");
  require(c.num_attention_heads % c.num_key_value_heads == 0, where,
          std::to_string(c.num_attention_heads) + " attention heads do not divide among " +
              std::to_string(c.num_key_value_heads) + " key-value heads",
          "a whole number of query heads each");
  require(c.num_attention_heads * c.head_dim <= kLargest, where,
          fmt::format("{} attention heads of {} numbers", c.num_attention_heads, c.head_dim),
          fmt::format("{} numbers together at most", kLargest));
  require(c.head_dim % 2 == 0, where, "head_dim is " + std::to_string(c.head_dim), "an even number");
  require(c.rms_norm_eps > 0 && c.rms_norm_eps < 1, where,
          "rms_norm_eps is " + std::to_string(c.rms_norm_eps), "a number between 0 and 1");
  validate(c.rope, c, where);
  validate(c.local_rope, c, where);
  require(c.layers.empty() || static_cast<int64_t>(c.layers.size()) == c.num_hidden_layers, where,
          std::to_string(c.layers.size()) + " layers are described", std::to_string(c.num_hidden_layers));
  for (const LayerConfig& layer : c.layers)
    require(layer.sliding_window >= 0, where, "sliding_window is " + std::to_string(layer.sliding_window),
            "1 or more");
  const auto finite = [&](double value, bool zero, const char* key) {
    require(std::isfinite(value) && (value > 0 || (zero && value == 0)), where,
            key + (" is " + std::to_string(value)), "a number above 0");
  };
  finite(c.embedding_multiplier, false, "embedding_multiplier");
  finite(c.attention_multiplier, true, "attention_multiplier");
  finite(c.residual_multiplier, false, "residual_multiplier");
  finite(c.logits_scaling, false, "logits_scaling");
  finite(c.attn_logit_softcapping, true, "attn_logit_softcapping");
  finite(c.final_logit_softcapping, true, "final_logit_softcapping");
}

ModelConfig read_model_config(const Checkpoint& checkpoint) {
  const Family& family = family_of(checkpoint);
  ModelConfig config = checkpoint.is_gguf() ? family.config_from_gguf(checkpoint.gguf())
                                            : family.config_from_hf(checkpoint.config());
  config.family = family.name;
  validate(config, checkpoint.path().string());
  return config;
}

}  // namespace lora
