#include "model/families/families.h"

#include <algorithm>

#include "base/error.h"

namespace lora {
namespace {

std::vector<Family> all_families() {
  return {llama_family(),   mistral_family(), qwen2_family(),  qwen3_family(),
          gemma_family(),   gemma2_family(),  gemma3_family(), phi3_family(),
          smollm3_family(), olmo2_family(),   granite_family()};
}

}  // namespace

Family family_of(const Checkpoint& checkpoint) {
  std::string name;
  if (checkpoint.is_gguf()) {
    name = checkpoint.gguf().get_string("general.architecture");
  } else {
    const auto& config = checkpoint.config();
    if (config.contains("model_type") && config["model_type"].is_string())
      name = config["model_type"].get<std::string>();
  }
  std::string known;
  for (const Family& family : all_families()) {
    const bool match = checkpoint.is_gguf()
                           ? !name.empty() && family.gguf_architecture == name
                           : std::ranges::find(family.hf_model_types, name) != family.hf_model_types.end();
    if (match) return family;
    const std::string called =
        checkpoint.is_gguf() ? family.gguf_architecture : family.hf_model_types.front();
    if (!called.empty()) known += (known.empty() ? "" : ", ") + called;
  }
  throw Error::input({.where = checkpoint.path().string(),
                      .found = name.empty() ? "the checkpoint does not name its architecture"
                                            : "the architecture \"" + name + "\" is not supported",
                      .expected = "one of: " + known,
                      .fix = "Use a model of one of these families."});
}

}  // namespace lora
