// SmolLM 3: llama, but every fourth layer does not turn q and k by position (NoPE).
#include "model/families/families.h"
#include "model/families/plain.h"

namespace lora {
namespace {

constexpr int64_t kInterval = 4;

void set_rope(ModelConfig& c, const std::function<bool(int64_t)>& has_rope) {
  c.layers.resize(static_cast<size_t>(c.num_hidden_layers));
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    if (!has_rope(i)) c.layers[static_cast<size_t>(i)].rope = LayerConfig::Rope::kNone;
}

ModelConfig from_hf(const nlohmann::json& json) {
  const ConfigReader config(json);
  ModelConfig c = plain_from_hf(
      config, {.tie_word_embeddings = true, .max_position_embeddings = 32768, .rope_theta = 2e6});
  const int64_t interval = config.integer("no_rope_layer_interval", kInterval);
  refuse_feature(interval < 1, "a no_rope_layer_interval of " + std::to_string(interval));
  std::vector<int64_t> listed;  // 1: turned
  if (config.has("no_rope_layers")) listed = config.list<int64_t>("no_rope_layers");
  refuse_feature(!listed.empty() && static_cast<int64_t>(listed.size()) < c.num_hidden_layers,
                 "a no_rope_layers that is shorter than the model");
  const auto has_rope = [&](int64_t i) {
    return listed.empty() ? (i + 1) % interval != 0 : listed[static_cast<size_t>(i)] != 0;
  };
  if (config.flag("use_sliding_window", false))
    set_windows(c, integer_or_off(config, "sliding_window", 0),
                sliding_layers(config, c, [&](int64_t i) { return !has_rope(i); }));
  set_rope(c, has_rope);
  return c;
}

ModelConfig from_gguf(const GgufFile& file) {
  ModelConfig c = plain_from_gguf(GgufReader(file));
  set_rope(c, [](int64_t i) { return (i + 1) % kInterval != 0; });
  return c;
}

}  // namespace

Family smollm3_family() {
  return {"smollm3", {"smollm3"}, "smollm3", from_hf, from_gguf};
}

}  // namespace lora
