// The frozen weights of a decoder, in Hugging Face's names and row order, whatever container they came from.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "files/checkpoint.h"
#include "model/config.h"
#include "model/modules.h"

namespace lora {

struct LinearWeights {
  at::Tensor weight;  // (out, in)
  at::Tensor bias;    // (out), or undefined
};

// Norms that a family does not have are undefined. Where Hugging Face adds 1 to what it stores, these have it added.
struct BlockWeights {
  at::Tensor norm_before_attention, norm_after_attention;  // (hidden_size)
  at::Tensor norm_before_mlp, norm_after_mlp;              // (hidden_size)
  at::Tensor q_norm, k_norm;                               // (head_dim), or as wide as the projection
  std::array<LinearWeights, kNumModules> modules;          // those of ModelConfig::modules
  const LinearWeights& module(Module m) const { return modules[static_cast<size_t>(m)]; }
  LinearWeights& module(Module m) { return modules[static_cast<size_t>(m)]; }
};

struct ModelWeights {
  at::Tensor embedding;  // (vocab_size, hidden_size)
  at::Tensor norm;       // (hidden_size)
  at::Tensor head;       // (vocab_size, hidden_size); the embedding itself when tied
  std::vector<BlockWeights> blocks;
};

// The norms that a block of this model has: where each stands, its name in Hugging Face below model.layers.N, its width.
struct NormSlot {
  at::Tensor BlockWeights::*member;
  std::string_view path;  // "input_layernorm"
  int64_t width;
};
std::vector<NormSlot> norms_of(const ModelConfig& config);

// Loads every tensor that `config` asks for, as `dtype`. Strict: Errors (kInput) name a tensor that is missing, of
// another shape, or left over.
ModelWeights load_weights(const Checkpoint& checkpoint, const ModelConfig& config,
                          at::ScalarType dtype = at::kFloat);

// Random weights of the right shapes, for tests and benchmarks: normal with deviation 0.02 … as Transformers draws
// them, norms near one. Equal seeds give equal weights.
ModelWeights random_weights(const ModelConfig& config, uint64_t seed, at::ScalarType dtype = at::kFloat);

}  // namespace lora
