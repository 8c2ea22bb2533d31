// What the families have in common when they read a configuration: the plain case, which each then changes.
#pragma once

#include <functional>

#include "model/config.h"
#include "model/families/config_reader.h"
#include "model/families/gguf_reader.h"

namespace lora {

// What Transformers takes where config.json leaves a key out; it differs between families.
struct HfDefaults {
  bool tie_word_embeddings = false;
  int64_t head_dim = 0;  // 0: hidden_size / num_attention_heads
  int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  const char* hidden_act = "silu";
};

// Everything but rotary embeddings whose parameters are nested by kind of layer (Gemma 3): those stay at their defaults.
// Errors: kInput naming a key, an activation or a mixture of experts that is not supported.
ModelConfig plain_from_hf(const ConfigReader& config, const HfDefaults& defaults = {});
ModelConfig plain_from_gguf(const GgufReader& gguf);

// A number that is 0 (off) when the key is null, and `otherwise` when it is absent.
double number_or_off(const ConfigReader& config, const std::string& key, double otherwise);
int64_t integer_or_off(const ConfigReader& config, const std::string& key, int64_t otherwise);

// config.json's layer_types; by the layer's number where there are none. True: the layer has a sliding window.
std::vector<bool> sliding_layers(const ConfigReader& config, const ModelConfig& sizes,
                                 const std::function<bool(int64_t)>& otherwise);

// The window for each layer where `sliding` is true.
void set_windows(ModelConfig& config, int64_t window, const std::vector<bool>& sliding);

// Throws (kInput) when `present`, naming what is not supported.
void refuse_feature(bool present, const std::string& what);

}  // namespace lora
