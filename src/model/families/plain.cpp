#include "model/families/plain.h"

#include "base/error.h"
#include "model/families/rope_scaling.h"

namespace lora {
namespace {

Activation activation_of(const std::string& name) {
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  refuse_feature(true, "the activation \"" + name + "\"");
  __builtin_unreachable();
}

bool has_nested_rope(const ConfigReader& config) {
  if (!config.has("rope_parameters")) return false;
  const ConfigReader rope(config.object("rope_parameters"));
  return rope.has("full_attention") || rope.has("sliding_attention");
}

}  // namespace

void refuse_feature(bool present, const std::string& what) {
  if (present)
    throw Error::input({.found = what + " is not supported", .fix = "Use another model of the family."});
}

ModelConfig plain_from_hf(const ConfigReader& config, const HfDefaults& defaults) {
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"})
    refuse_feature(config.integer(key, 0) > 0, "a mixture of experts");
  ModelConfig c;
  c.vocab_size = config.integer("vocab_size");
  c.hidden_size = config.integer("hidden_size");
  c.intermediate_size = config.integer("intermediate_size");
  c.num_hidden_layers = config.integer("num_hidden_layers");
  c.num_attention_heads = config.integer("num_attention_heads");
  c.num_key_value_heads = config.integer("num_key_value_heads", c.num_attention_heads);
  const int64_t even_share = c.num_attention_heads > 0 ? c.hidden_size / c.num_attention_heads : 0;
  c.head_dim = config.integer("head_dim", defaults.head_dim > 0 ? defaults.head_dim : even_share);
  c.max_position_embeddings = config.integer("max_position_embeddings", defaults.max_position_embeddings);
  c.rms_norm_eps = config.number("rms_norm_eps", defaults.rms_norm_eps);
  c.tie_word_embeddings = config.flag("tie_word_embeddings", defaults.tie_word_embeddings);
  c.qkv_bias = c.o_bias = config.flag("attention_bias", false);
  c.mlp_bias = config.flag("mlp_bias", false);
  c.activation =
      activation_of(config.text("hidden_activation", config.text("hidden_act", defaults.hidden_act)));
  if (!has_nested_rope(config)) c.rope = rope_from_hf(config, c, defaults.rope_theta);
  return c;
}

ModelConfig plain_from_gguf(const GgufReader& gguf) {
  refuse_feature(gguf.integer("expert_count", 0) > 0, "a mixture of experts");
  const TensorInfo* embedding = gguf.file().find("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2)
    throw Error::input({.where = "token_embd.weight", .found = "the embedding is missing or not a matrix"});
  ModelConfig c;
  c.vocab_size = embedding->shape[0];
  c.hidden_size = gguf.integer("embedding_length");
  c.intermediate_size = gguf.integer("feed_forward_length");
  c.num_hidden_layers = gguf.integer("block_count");
  c.num_attention_heads = gguf.integer("attention.head_count");
  c.num_key_value_heads = gguf.integer("attention.head_count_kv", c.num_attention_heads);
  c.head_dim = gguf.integer("attention.key_length",
                            c.num_attention_heads > 0 ? c.hidden_size / c.num_attention_heads : 0);
  refuse_feature(gguf.integer("attention.value_length", c.head_dim) != c.head_dim,
                 "a head of v of another size than one of k");
  c.max_position_embeddings = gguf.integer("context_length");
  c.rms_norm_eps = gguf.number("attention.layer_norm_rms_epsilon");
  c.tie_word_embeddings = !gguf.has_tensor("output.weight");
  c.qkv_bias = gguf.has_tensor("blk.0.attn_q.bias");
  c.o_bias = gguf.has_tensor("blk.0.attn_output.bias");
  c.mlp_bias = gguf.has_tensor("blk.0.ffn_up.bias");
  c.rope = rope_from_gguf(gguf, c);
  return c;
}

double number_or_off(const ConfigReader& config, const std::string& key, double otherwise) {
  return config.is_null(key) ? 0 : config.number(key, otherwise);
}

int64_t integer_or_off(const ConfigReader& config, const std::string& key, int64_t otherwise) {
  return config.is_null(key) ? 0 : config.integer(key, otherwise);
}

std::vector<bool> sliding_layers(const ConfigReader& config, const ModelConfig& sizes,
                                 const std::function<bool(int64_t)>& otherwise) {
  std::vector<bool> sliding;
  if (!config.has("layer_types")) {
    for (int64_t i = 0; i < sizes.num_hidden_layers; ++i) sliding.push_back(otherwise(i));
    return sliding;
  }
  for (const std::string& type : config.list<std::string>("layer_types")) {
    refuse_feature(type != "sliding_attention" && type != "full_attention",
                   "a layer of type \"" + type + "\"");
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

void set_windows(ModelConfig& config, int64_t window, const std::vector<bool>& sliding) {
  config.layers.resize(sliding.size());
  for (size_t i = 0; i < sliding.size(); ++i)
    if (sliding[i]) config.layers[i].sliding_window = window;
}

}  // namespace lora
