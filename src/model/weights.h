// The frozen weights of a decoder, in Hugging Face's names and row order, whatever container they came from.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <string_view>
#include <vector>

#include "files/checkpoint.h"
#include "model/config.h"

namespace lora {

// The projections of a block that an adapter can target, in the order in which a block uses them.
enum class Module { kQ, kK, kV, kO, kGate, kUp, kDown };
constexpr std::array<Module, 7> kModules{Module::kQ,    Module::kK,  Module::kV,   Module::kO,
                                         Module::kGate, Module::kUp, Module::kDown};
constexpr size_t kNumModules = kModules.size();

std::string_view module_name(Module module);  // "q_proj"
std::string_view module_path(Module module);  // "self_attn.q_proj", below model.layers.N
// (out, in) of a module's weight.
std::pair<int64_t, int64_t> module_shape(const ModelConfig& config, Module module);

struct LinearWeights {
  at::Tensor weight;  // (out, in)
  at::Tensor bias;    // (out), or undefined
};

struct BlockWeights {
  at::Tensor input_norm;           // (hidden_size)
  at::Tensor post_attention_norm;  // (hidden_size)
  std::array<LinearWeights, kNumModules> modules;
  const LinearWeights& module(Module m) const { return modules[static_cast<size_t>(m)]; }
  LinearWeights& module(Module m) { return modules[static_cast<size_t>(m)]; }
};

struct ModelWeights {
  at::Tensor embedding;  // (vocab_size, hidden_size)
  at::Tensor norm;       // (hidden_size)
  at::Tensor head;       // (vocab_size, hidden_size); the embedding itself when tied
  std::vector<BlockWeights> blocks;
};

// Loads every tensor that `config` asks for, as `dtype`. Strict: Errors (kInput) name a tensor that is missing, of
// another shape, or left over.
ModelWeights load_weights(const Checkpoint& checkpoint, const ModelConfig& config,
                          at::ScalarType dtype = at::kFloat);

// Random weights of the right shapes, for tests and benchmarks: normal with deviation 0.02 … as Transformers draws
// them, norms near one. Equal seeds give equal weights.
ModelWeights random_weights(const ModelConfig& config, uint64_t seed, at::ScalarType dtype = at::kFloat);

}  // namespace lora
