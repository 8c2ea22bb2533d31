// Gemma: norms multiply by 1 + w, the embedding is scaled by sqrt(hidden_size), the MLP is GeGLU, the head is tied.
// Gemma 2: norms after attention and MLP too, capped scores and logits, every other layer with a sliding window.
// Gemma 3 (text): q and k normalised in place of caps, five of six layers local, with a window and a rope of their own.
#include <cmath>

#include "model/families/families.h"
#include "model/families/plain.h"
#include "model/families/rope_scaling.h"

namespace lora {
namespace {

constexpr int64_t kGemma2Layers27B = 46, kGemma3Layers27B = 62;

void add_gemma(ModelConfig& c) {
  c.norm_adds_one = true;
  c.activation = Activation::kGeluTanh;
  // Transformers keeps it as a float32.
  c.embedding_multiplier = std::sqrt(static_cast<double>(c.hidden_size));
  c.embedding_multiplier = static_cast<double>(static_cast<float>(c.embedding_multiplier));
}

ModelConfig gemma_from_hf(const ConfigReader& config, int64_t max_position_embeddings,
                          double rope_theta = 10000) {
  refuse_feature(config.flag("use_bidirectional_attention", false), "attention to later tokens");
  // Old files of Gemma 1 say "gelu" and mean the approximation.
  const std::string activation =
      config.text("hidden_activation", config.text("hidden_act", "gelu_pytorch_tanh"));
  refuse_feature(activation != "gelu" && activation != "gelu_pytorch_tanh",
                 "the activation \"" + activation + "\"");
  nlohmann::json plain = config.json();
  plain["hidden_activation"] = "gelu_pytorch_tanh";
  ModelConfig c = plain_from_hf(ConfigReader(plain), {.tie_word_embeddings = true,
                                                      .head_dim = 256,
                                                      .max_position_embeddings = max_position_embeddings,
                                                      .rope_theta = rope_theta});
  add_gemma(c);
  return c;
}

ModelConfig gemma1_from_hf(const nlohmann::json& json) {
  return gemma_from_hf(ConfigReader(json), 8192);
}

ModelConfig gemma1_from_gguf(const GgufFile& file) {
  ModelConfig c = plain_from_gguf(GgufReader(file));
  add_gemma(c);
  return c;
}

double scale_from(double query_pre_attn_scalar) {
  return std::pow(query_pre_attn_scalar, -0.5);
}

// GGUF does not keep query_pre_attn_scalar: it is head_dim, except in the largest model, which llama.cpp too tells by its
// number of layers.
double gguf_scale(const ModelConfig& c, int64_t layers_of_largest) {
  return scale_from(static_cast<double>(
      c.num_hidden_layers == layers_of_largest ? c.hidden_size / c.num_attention_heads : c.head_dim));
}

ModelConfig gemma2_from_hf(const nlohmann::json& json) {
  const ConfigReader config(json);
  ModelConfig c = gemma_from_hf(config, 8192);
  c.norm_placement = NormPlacement::kBoth;
  c.attention_multiplier = scale_from(config.number("query_pre_attn_scalar", 256));
  c.attn_logit_softcapping = number_or_off(config, "attn_logit_softcapping", 50);
  c.final_logit_softcapping = number_or_off(config, "final_logit_softcapping", 30);
  set_windows(c, integer_or_off(config, "sliding_window", 4096),
              sliding_layers(config, c, [](int64_t layer) { return layer % 2 == 0; }));
  return c;
}

ModelConfig gemma2_from_gguf(const GgufFile& file) {
  const GgufReader gguf(file);
  ModelConfig c = plain_from_gguf(gguf);
  add_gemma(c);
  c.norm_placement = NormPlacement::kBoth;
  c.attention_multiplier = gguf_scale(c, kGemma2Layers27B);
  c.attn_logit_softcapping = gguf.number("attn_logit_softcapping", 50);
  c.final_logit_softcapping = gguf.number("final_logit_softcapping", 30);
  std::vector<bool> sliding;
  for (int64_t layer = 0; layer < c.num_hidden_layers; ++layer) sliding.push_back(layer % 2 == 0);
  set_windows(c, gguf.integer("attention.sliding_window", 4096), sliding);
  return c;
}

// Layers with a window turn by the local rope.
void add_gemma3(ModelConfig& c, int64_t window, const std::vector<bool>& sliding) {
  c.norm_placement = NormPlacement::kBoth;
  c.qk_norm = QkNorm::kHead;
  set_windows(c, window, sliding);
  for (size_t i = 0; i < sliding.size(); ++i)
    if (sliding[i]) c.layers[i].rope = LayerConfig::Rope::kLocal;
}

ModelConfig gemma3_from_hf(const nlohmann::json& json) {
  const ConfigReader config(json);
  ModelConfig c = gemma_from_hf(config, 131072, 1e6);
  refuse_feature(config.has("attn_logit_softcapping"), "soft-capping of attention in Gemma 3");
  c.attention_multiplier = scale_from(config.number("query_pre_attn_scalar", 256));
  c.final_logit_softcapping = number_or_off(config, "final_logit_softcapping", 0);
  const int64_t pattern =
      config.integer("sliding_window_pattern", config.integer("_sliding_window_pattern", 6));
  refuse_feature(pattern < 1, "a sliding_window_pattern of " + std::to_string(pattern));
  add_gemma3(c, integer_or_off(config, "sliding_window", 4096),
             sliding_layers(config, c, [&](int64_t layer) { return (layer + 1) % pattern != 0; }));
  // Transformers 5 has a set of parameters for each kind of layer; before, rope_scaling spoke of the global ones.
  c.local_rope.rope_theta = config.number("rope_local_base_freq", 10000);
  if (!config.has("rope_parameters")) return c;
  const ConfigReader rope(config.object("rope_parameters"));
  c.rope.rope_theta = config.number("rope_theta", 1e6);
  if (rope.has("full_attention"))
    c.rope = rope_from_parameters(ConfigReader(rope.object("full_attention")), c, c.rope);
  if (rope.has("sliding_attention"))
    c.local_rope = rope_from_parameters(ConfigReader(rope.object("sliding_attention")), c, c.local_rope);
  return c;
}

ModelConfig gemma3_from_gguf(const GgufFile& file) {
  const GgufReader gguf(file);
  ModelConfig c = plain_from_gguf(gguf);
  add_gemma(c);
  c.attention_multiplier = gguf_scale(c, kGemma3Layers27B);
  c.final_logit_softcapping = gguf.number("final_logit_softcapping", 0);
  const int64_t window = gguf.integer("attention.sliding_window", 0);
  refuse_feature(gguf.has("attention.sliding_window_pattern"), "a sliding window pattern of its own");
  std::vector<bool> sliding;
  for (int64_t layer = 0; layer < c.num_hidden_layers; ++layer)
    sliding.push_back(window > 0 && (layer + 1) % 6 != 0);
  add_gemma3(c, window, sliding);
  c.local_rope.rope_theta = gguf.number("rope.freq_base_swa", 10000);
  return c;
}

}  // namespace

Family gemma_family() {
  return {"gemma", {"gemma"}, "gemma", gemma1_from_hf, gemma1_from_gguf};
}
Family gemma2_family() {
  return {"gemma2", {"gemma2"}, "gemma2", gemma2_from_hf, gemma2_from_gguf};
}
Family gemma3_family() {
  return {"gemma3", {"gemma3_text"}, "gemma3", gemma3_from_hf, gemma3_from_gguf};
}

}  // namespace lora
