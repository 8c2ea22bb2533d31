// Llama and what is built like it (SmolLM2, …): the plain case, of which other families say how they differ.
#include <string>

#include "base/error.h"
#include "model/families/config_reader.h"
#include "model/families/families.h"

namespace lora {
namespace {

void refuse(bool present, const std::string& what) {
  if (present)
    throw Error::input({.found = what + " is not supported yet", .fix = "Use another model of the family."});
}

ModelConfig from_gguf(const GgufFile& file) {
  const auto key = [](const std::string& name) { return "llama." + name; };
  const auto integer = [&](const std::string& name) {
    return static_cast<int64_t>(file.get_uint(key(name)));
  };
  ModelConfig c;
  c.hidden_size = integer("embedding_length");
  c.intermediate_size = integer("feed_forward_length");
  c.num_hidden_layers = integer("block_count");
  c.num_attention_heads = integer("attention.head_count");
  c.num_key_value_heads =
      file.has(key("attention.head_count_kv")) ? integer("attention.head_count_kv") : c.num_attention_heads;
  c.head_dim = file.has(key("attention.key_length"))
                   ? integer("attention.key_length")
                   : (c.num_attention_heads > 0 ? c.hidden_size / c.num_attention_heads : 0);
  c.max_position_embeddings = integer("context_length");
  c.rms_norm_eps = file.get_float(key("attention.layer_norm_rms_epsilon"));
  if (file.has(key("rope.freq_base"))) c.rope_theta = file.get_float(key("rope.freq_base"));
  refuse(file.find("rope_freqs.weight") != nullptr, "the tensor rope_freqs.weight (Llama 3's rope scaling)");
  refuse(file.has(key("rope.scaling.type")) && file.get_string(key("rope.scaling.type")) != "none",
         "rope scaling");
  refuse(file.has(key("rope.dimension_count")) && integer("rope.dimension_count") != c.head_dim,
         "partial rotary embedding");
  refuse(file.has(key("expert_count")) && integer("expert_count") > 0, "a mixture of experts");
  const TensorInfo* embedding = file.find("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2)
    throw Error::input({.where = "token_embd.weight", .found = "the embedding is missing or not a matrix"});
  c.vocab_size = embedding->shape[0];
  c.tie_word_embeddings = file.find("output.weight") == nullptr;
  c.attention_bias = file.find("blk.0.attn_q.bias") != nullptr;
  return c;
}

ModelConfig from_hf(const nlohmann::json& json) {
  const ConfigReader config(json);
  ModelConfig c;
  c.vocab_size = config.integer("vocab_size");
  c.hidden_size = config.integer("hidden_size");
  c.intermediate_size = config.integer("intermediate_size");
  c.num_hidden_layers = config.integer("num_hidden_layers");
  c.num_attention_heads = config.integer("num_attention_heads");
  c.num_key_value_heads = config.integer("num_key_value_heads", c.num_attention_heads);
  c.head_dim =
      config.integer("head_dim", c.num_attention_heads > 0 ? c.hidden_size / c.num_attention_heads : 0);
  c.max_position_embeddings = config.integer("max_position_embeddings", 2048);
  c.rms_norm_eps = config.number("rms_norm_eps", 1e-6);
  c.attention_bias = config.flag("attention_bias", false);
  c.mlp_bias = config.flag("mlp_bias", false);
  c.tie_word_embeddings = config.flag("tie_word_embeddings", false);
  c.rope_theta = config.number("rope_theta", 10000.0);
  // Transformers 5 keeps both in rope_parameters; before, the scaling stood in rope_scaling.
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!config.has(key)) continue;
    const ConfigReader rope(config.object(key));
    c.rope_theta = rope.number("rope_theta", c.rope_theta);
    const std::string type = rope.text("rope_type", rope.text("type", "default"));
    refuse(type != "default", "rope scaling of type \"" + type + "\"");
    refuse(rope.number("partial_rotary_factor", 1.0) != 1.0, "partial rotary embedding");
  }
  refuse(config.number("partial_rotary_factor", 1.0) != 1.0, "partial rotary embedding");
  const std::string activation = config.text("hidden_act", "silu");
  refuse(activation != "silu" && activation != "swish", "the activation \"" + activation + "\"");
  return c;
}

}  // namespace

Family llama_family() {
  return {"llama", {"llama"}, from_gguf, from_hf};
}

}  // namespace lora
