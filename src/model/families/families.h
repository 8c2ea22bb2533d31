// The families of models that lora.cpp knows: one file for each, saying only how it differs, and one row in the table.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "files/checkpoint.h"
#include "model/config.h"

namespace lora {

struct Family {
  std::string name;
  std::vector<std::string> hf_model_types;  // model_type of config.json
  std::string gguf_architecture;            // general.architecture of a GGUF; "" when it has none of its own
  std::function<ModelConfig(const nlohmann::json&)> config_from_hf;
  std::function<ModelConfig(const GgufFile&)> config_from_gguf;
};

Family llama_family();
Family mistral_family();
Family qwen2_family();
Family qwen3_family();
Family gemma_family();
Family gemma2_family();
Family gemma3_family();
Family phi3_family();
Family smollm3_family();
Family olmo2_family();
Family granite_family();

// The family of a checkpoint. Errors: kInput naming the architecture that is not known, and those that are.
Family family_of(const Checkpoint& checkpoint);

}  // namespace lora
