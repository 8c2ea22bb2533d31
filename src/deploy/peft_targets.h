// Which modules an adapter changes, between PEFT's adapter_config.json and a model: target_modules, exclude_modules,
// layers_to_transform, layers_pattern. What the words of one setting mean is model/target_modules.h's.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"

namespace lora {

// The targets for AdapterConfig. As in PEFT, an entry of a list that matches nothing in this model is passed over as long
// as another matches; the adapter's tensors are checked one by one afterwards. Errors: kInput naming `file` and what is
// wrong: of another type, no regular expression, nothing left, or a layers_pattern for another kind of model.
std::vector<std::string> peft_targets(const nlohmann::ordered_json& config, const ModelConfig& model,
                                      const std::filesystem::path& file);

// "target_modules" so that PEFT targets the same modules: the names; where layers differ, the regular expression that was
// asked for, when it was one, else every module's path.
nlohmann::ordered_json target_modules_json(const Adapter& adapter);

}  // namespace lora
