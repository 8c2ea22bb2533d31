// PEFT's target_modules: which linear layers an adapter changes. A list of
//   names     a module's path or its ending: "q_proj", "self_attn.q_proj", "model.layers.3.mlp.up_proj"
//   patterns  an entry with any of * + ? | ( ) [ ] { } ^ $ \ is a regular expression that must match the whole path,
//             "model.layers.3.self_attn.q_proj" (a string in PEFT's configuration)
// or "all-linear" alone: every linear layer but the head.
#pragma once

#include <string>
#include <vector>

#include "model/config.h"

namespace lora {

// What can be checked before the model is known. Returns `targets`. Errors: kInput naming what is empty, no module of any
// family, or no regular expression.
std::vector<std::string> parse_target_modules(const std::vector<std::string>& targets);

// The targeted modules of each layer, in the model's order. Errors: kInput as above, and naming an entry that matches
// nothing in this model, with the modules that it has.
std::vector<std::vector<Module>> resolve_target_modules(const std::vector<std::string>& targets,
                                                        const ModelConfig& model);

bool is_target_pattern(const std::string& target);

}  // namespace lora
