// A LoRA adapter (arXiv 2106.09685) in memory: its configuration in PEFT's names, its matrices, their gradients.
// Reading and writing PEFT's files is deploy/'s business; changing the numbers is train/'s.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/modules.h"
#include "model/target_modules.h"
#include "ops/lora_linear.h"

namespace lora {

struct AdapterConfig {
  int64_t r = 16;
  double lora_alpha = 32;
  double lora_dropout = 0;
  bool use_rslora = false;  // scale by 1 / sqrt(r) in place of 1 / r (arXiv 2312.03732)
  std::vector<std::string> target_modules{"all-linear"};  // as target_modules.h reads them

  double scaling() const;
  bool operator==(const AdapterConfig&) const = default;
};

class Adapter {
 public:
  // Each matrix takes a multiple of so many numbers: 64 bytes of float.
  static constexpr int64_t kAlignment = 16;

  // PEFT's initialisation: A uniform in ±1/sqrt(in) (Kaiming with a = sqrt(5)), B zero, so that training starts from
  // the base. Equal seeds give equal bytes. Errors: kInput when r, lora_alpha or lora_dropout are out of range, and
  // those of resolve_target_modules.
  static Adapter create(const ModelConfig& model, const AdapterConfig& config, uint64_t seed,
                        at::ScalarType dtype = at::kFloat);

  // target_modules as plain names where all layers have the same.
  const AdapterConfig& config() const { return config_; }
  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  int64_t num_parameters() const;

  bool has(int64_t layer, Module module) const;
  // A (r, in) and B (out, r): leaves of autograd, views of parameters(). Precondition: has(layer, module).
  const at::Tensor& A(int64_t layer, Module module) const;
  const at::Tensor& B(int64_t layer, Module module) const;

  // All matrices in one flat vector, and their gradients beside them, in the same order: layer by layer, module by
  // module, A before B, each padded with zeros to whole cache lines.
  at::Tensor parameters() const { return parameters_; }
  at::Tensor gradients() const { return gradients_; }
  void zero_gradients();

  // Name, tensor and gradient of every matrix in the flat order; names are "layers.0.self_attn.q_proj.lora_A".
  struct Entry {
    std::string name;
    int64_t layer;
    Module module;
    bool is_A;
    at::Tensor tensor, gradient;
  };
  std::vector<Entry> entries() const;

  // The term for a projection. `mask_seed`: names the dropout masks of a step; nullopt: evaluation, nothing is dropped.
  std::optional<ops::LoraTerm> term(int64_t layer, Module module, std::optional<uint64_t> mask_seed) const;

 private:
  struct Matrices {
    at::Tensor A, B;
  };
  AdapterConfig config_;
  std::vector<std::array<std::optional<Matrices>, kNumModules>> layers_;
  at::Tensor parameters_, gradients_;
};

}  // namespace lora
