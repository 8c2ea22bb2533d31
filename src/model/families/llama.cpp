// Llama 2, 3, 3.1, 3.2, 3.3 and what is built like them (SmolLM2, …): the plain case, of which other families say how they
// differ. GGUF files of Mistral call themselves llama too; they do not keep its sliding window.
#include "model/families/families.h"
#include "model/families/plain.h"

namespace lora {
namespace {

ModelConfig from_hf(const nlohmann::json& json) {
  return plain_from_hf(ConfigReader(json));
}

ModelConfig from_gguf(const GgufFile& file) {
  return plain_from_gguf(GgufReader(file));
}

}  // namespace

Family llama_family() {
  return {"llama", {"llama"}, "llama", from_hf, from_gguf};
}

}  // namespace lora
