#include "model/config.h"

#include "base/error.h"
#include "model/families/families.h"

namespace lora {
namespace {

// Far above any real model; keeps products of sizes within 64 bits.
constexpr int64_t kLargest = int64_t{1} << 24;
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

}  // namespace

int64_t ModelConfig::num_parameters() const {
  const int64_t q = num_attention_heads * head_dim, kv = num_key_value_heads * head_dim;
  int64_t layer = hidden_size * (2 * q + 2 * kv) + 3 * hidden_size * intermediate_size + 2 * hidden_size;
  if (attention_bias) layer += q + 2 * kv + hidden_size;
  if (mlp_bias) layer += 2 * intermediate_size + hidden_size;
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
  require(c.head_dim % 2 == 0, where, "head_dim is " + std::to_string(c.head_dim), "an even number");
  require(c.rms_norm_eps > 0 && c.rms_norm_eps < 1, where,
          "rms_norm_eps is " + std::to_string(c.rms_norm_eps), "a number between 0 and 1");
  require(c.rope_theta >= 1 && c.rope_theta < 1e12, where, "rope_theta is " + std::to_string(c.rope_theta),
          "a number from 1 to 1e12");
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
