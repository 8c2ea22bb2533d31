// Qwen 2 and 2.5: q, k and v carry a bias, o does not. Qwen 3: no bias, but each head of q and k is normalised. Both have a
// sliding window that is switched off unless use_sliding_window is set; GGUF files do not keep it.
#include "model/families/families.h"
#include "model/families/plain.h"

namespace lora {
namespace {

ModelConfig qwen_from_hf(const ConfigReader& config, int64_t default_head_dim) {
  ModelConfig c = plain_from_hf(config, {.head_dim = default_head_dim, .max_position_embeddings = 32768});
  if (!config.flag("use_sliding_window", false)) return c;
  const int64_t first = config.integer("max_window_layers", 28);
  set_windows(c, integer_or_off(config, "sliding_window", 4096),
              sliding_layers(config, c, [&](int64_t layer) { return layer >= first; }));
  return c;
}

ModelConfig qwen2_from_hf(const nlohmann::json& json) {
  ModelConfig c = qwen_from_hf(ConfigReader(json), 0);
  c.qkv_bias = true;
  c.o_bias = c.mlp_bias = false;
  return c;
}

ModelConfig qwen2_from_gguf(const GgufFile& file) {
  return plain_from_gguf(GgufReader(file));
}

ModelConfig qwen3_from_hf(const nlohmann::json& json) {
  ModelConfig c = qwen_from_hf(ConfigReader(json), 128);
  c.qk_norm = QkNorm::kHead;
  return c;
}

ModelConfig qwen3_from_gguf(const GgufFile& file) {
  ModelConfig c = plain_from_gguf(GgufReader(file));
  c.qk_norm = QkNorm::kHead;
  return c;
}

}  // namespace

Family qwen2_family() {
  return {"qwen2", {"qwen2"}, "qwen2", qwen2_from_hf, qwen2_from_gguf};
}

Family qwen3_family() {
  return {"qwen3", {"qwen3"}, "qwen3", qwen3_from_hf, qwen3_from_gguf};
}

}  // namespace lora
