// Phi 3, 3.5, 4 and 4-mini: q, k and v in one projection, gate and up in another; LongRoPE; in 4-mini only a part of each
// head is turned.
#include "model/families/families.h"
#include "model/families/plain.h"
#include "model/families/rope_scaling.h"

namespace lora {
namespace {

void add_phi3(ModelConfig& c, int64_t window) {
  c.modules = {Module::kQkv, Module::kO, Module::kGateUp, Module::kDown};
  if (window > 0) set_windows(c, window, std::vector<bool>(static_cast<size_t>(c.num_hidden_layers), true));
}

ModelConfig from_hf(const nlohmann::json& json) {
  // LongRoPE was called "su" and "yarn" at first, and the length of pretraining stands outside of its parameters.
  nlohmann::json config = json;
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!config.contains(key) || !config[key].is_object()) continue;
    nlohmann::json& rope = config[key];
    for (const char* type : {"rope_type", "type"})
      if (rope.contains(type) && (rope[type] == "su" || rope[type] == "yarn")) rope[type] = "longrope";
    if (config.contains("original_max_position_embeddings"))
      rope["original_max_position_embeddings"] = config["original_max_position_embeddings"];
  }
  const ConfigReader reader(config);
  ModelConfig c = plain_from_hf(reader, {.max_position_embeddings = 4096, .rms_norm_eps = 1e-5});
  c.qkv_bias = c.o_bias = c.mlp_bias = false;
  add_phi3(c, integer_or_off(reader, "sliding_window", 0));
  return c;
}

ModelConfig from_gguf(const GgufFile& file) {
  const GgufReader gguf(file);
  ModelConfig c = plain_from_gguf(gguf);
  add_phi3(c, gguf.integer("attention.sliding_window", 0));
  return c;
}

}  // namespace

Family phi3_family() {
  return {"phi3", {"phi3"}, "phi3", from_hf, from_gguf};
}

}  // namespace lora
