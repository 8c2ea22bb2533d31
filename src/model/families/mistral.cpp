// Mistral and Mistral-Nemo: llama with a sliding window in every layer (v0.1) or in none (since), and heads that need not
// share the hidden size evenly. Their GGUF files are llama's.
#include "model/families/families.h"
#include "model/families/plain.h"

namespace lora {
namespace {

ModelConfig from_hf(const nlohmann::json& json) {
  const ConfigReader config(json);
  ModelConfig c = plain_from_hf(config, {.max_position_embeddings = 4096 * 32});
  set_windows(c, integer_or_off(config, "sliding_window", 4096),
              sliding_layers(config, c, [](int64_t) { return true; }));
  return c;
}

}  // namespace

Family mistral_family() {
  return {"mistral", {"mistral"}, "", from_hf, nullptr};
}

}  // namespace lora
