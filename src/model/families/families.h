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
  std::string name;                         // general.architecture of a GGUF
  std::vector<std::string> hf_model_types;  // model_type of config.json
  std::function<ModelConfig(const GgufFile&)> config_from_gguf;
  std::function<ModelConfig(const nlohmann::json&)> config_from_hf;
};

Family llama_family();

// The family of a checkpoint. Errors: kInput naming the architecture that is not known, and those that are.
Family family_of(const Checkpoint& checkpoint);

}  // namespace lora
