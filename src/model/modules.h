// The linear layers of a decoder block, by what they do. A family lists those that its blocks have (ModelConfig::modules):
// most have the plain seven; Phi fuses q, k and v, and gate and up, and an adapter then has one A and one B over both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace lora {

struct ModelConfig;

enum class Module { kQ, kK, kV, kO, kGate, kUp, kDown, kQkv, kGateUp };
constexpr size_t kNumModules = 9;
// Every module that some family has, in the order of use.
constexpr std::array<Module, kNumModules> kAllModules{Module::kQkv,  Module::kQ,  Module::kK,
                                                      Module::kV,    Module::kO,  Module::kGateUp,
                                                      Module::kGate, Module::kUp, Module::kDown};
// What a block of most families has, in the order of use.
constexpr std::array<Module, 7> kPlainModules{Module::kQ,    Module::kK,  Module::kV,   Module::kO,
                                              Module::kGate, Module::kUp, Module::kDown};

std::string_view module_name(Module module);  // "q_proj"
std::string_view module_path(Module module);  // "self_attn.q_proj", below model.layers.N
// "model.layers.3.self_attn.q_proj": the path that PEFT's target_modules is held against.
std::string module_full_path(int64_t layer, Module module);

// (out, in) of a module's weight.
std::pair<int64_t, int64_t> module_shape(const ModelConfig& config, Module module);
bool module_has_bias(const ModelConfig& config, Module module);

}  // namespace lora
