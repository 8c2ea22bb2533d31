#include "model/adapter.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace lora {
namespace {

int64_t padded(int64_t numbers) {
  return (numbers + Adapter::kAlignment - 1) / Adapter::kAlignment * Adapter::kAlignment;
}

void check(const AdapterConfig& c) {
  const auto refuse = [](const std::string& key, const std::string& found, const std::string& expected) {
    throw Error::input({.where = key, .found = key + " is " + found, .expected = expected});
  };
  if (c.r < 1 || c.r > 4096) refuse("r", std::to_string(c.r), "a rank from 1 to 4096");
  if (!(c.lora_alpha > 0) || !std::isfinite(c.lora_alpha))
    refuse("lora_alpha", std::to_string(c.lora_alpha), "a number above 0");
  if (!(c.lora_dropout >= 0 && c.lora_dropout < 1))
    refuse("lora_dropout", std::to_string(c.lora_dropout), "a probability from 0 to below 1");
}

// Names where all layers have the same modules; what was asked for where they differ.
std::vector<std::string> plain_targets(const std::vector<std::string>& targets,
                                       const std::vector<std::vector<Module>>& layers) {
  if (std::ranges::any_of(layers, [&](const auto& modules) { return modules != layers.front(); }))
    return targets;
  std::vector<std::string> names;
  for (const Module m : layers.front()) names.emplace_back(module_name(m));
  return names;
}

}  // namespace

double AdapterConfig::scaling() const {
  const auto rank = static_cast<double>(r);
  return lora_alpha / (use_rslora ? std::sqrt(rank) : rank);
}

Adapter Adapter::create(const ModelConfig& model, const AdapterConfig& config, uint64_t seed,
                        at::ScalarType dtype) {
  check(config);
  Adapter adapter;
  adapter.config_ = config;
  adapter.layers_.resize(static_cast<size_t>(model.num_hidden_layers));
  const auto targets = resolve_target_modules(config.target_modules, model);
  adapter.config_.target_modules = plain_targets(config.target_modules, targets);
  int64_t total = 0;
  for (const auto& modules : targets) {
    for (const Module m : modules) {
      const auto [out, in] = module_shape(model, m);
      total += padded(config.r * in) + padded(out * config.r);
    }
  }
  const auto options = at::TensorOptions().dtype(dtype);
  adapter.parameters_ = at::zeros({total}, options);
  adapter.gradients_ = at::zeros({total}, options);
  int64_t offset = 0;
  const auto take = [&](int64_t rows, int64_t columns) {
    const auto view = [&](const at::Tensor& flat) {
      return flat.slice(0, offset, offset + rows * columns).view({rows, columns}).detach();
    };
    at::Tensor matrix = view(adapter.parameters_).requires_grad_(true);
    matrix.mutable_grad() = view(adapter.gradients_);  // autograd adds to it in place
    offset += padded(rows * columns);
    return matrix;
  };
  for (int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
    for (const Module m : targets[static_cast<size_t>(layer)]) {
      const auto [out, in] = module_shape(model, m);
      Matrices matrices{take(config.r, in), take(out, config.r)};
      Random random(seed, mix64(static_cast<uint64_t>(layer), static_cast<uint64_t>(m)));
      const double bound = 1.0 / std::sqrt(static_cast<double>(in));
      at::Tensor draw = at::empty({config.r, in}, at::TensorOptions().dtype(at::kDouble));
      double* numbers = draw.data_ptr<double>();
      for (int64_t i = 0; i < draw.numel(); ++i) numbers[i] = bound * (2 * random.uniform() - 1);
      matrices.A.detach().copy_(draw);
      adapter.layers_[static_cast<size_t>(layer)][static_cast<size_t>(m)] = std::move(matrices);
    }
  }
  return adapter;
}

int64_t Adapter::num_parameters() const {
  int64_t n = 0;
  for (const Entry& entry : entries()) n += entry.tensor.numel();
  return n;
}

bool Adapter::has(int64_t layer, Module module) const {
  return layers_[static_cast<size_t>(layer)][static_cast<size_t>(module)].has_value();
}

const at::Tensor& Adapter::A(int64_t layer, Module module) const {
  return layers_[static_cast<size_t>(layer)][static_cast<size_t>(module)]->A;
}

const at::Tensor& Adapter::B(int64_t layer, Module module) const {
  return layers_[static_cast<size_t>(layer)][static_cast<size_t>(module)]->B;
}

void Adapter::zero_gradients() {
  gradients_.zero_();
}

std::vector<Adapter::Entry> Adapter::entries() const {
  std::vector<Entry> all;
  for (int64_t layer = 0; layer < num_layers(); ++layer) {
    for (const Module m : kAllModules) {
      if (!has(layer, m)) continue;
      const std::string prefix =
          "layers." + std::to_string(layer) + "." + std::string(module_path(m)) + ".lora_";
      all.push_back({prefix + "A", layer, m, true, A(layer, m).detach(), A(layer, m).grad()});
      all.push_back({prefix + "B", layer, m, false, B(layer, m).detach(), B(layer, m).grad()});
    }
  }
  return all;
}

std::optional<ops::LoraTerm> Adapter::term(int64_t layer, Module module,
                                           std::optional<uint64_t> mask_seed) const {
  if (!has(layer, module)) return std::nullopt;
  ops::LoraTerm term{A(layer, module), B(layer, module), config_.scaling(), 0, 0};
  if (mask_seed && config_.lora_dropout > 0) {
    term.dropout = config_.lora_dropout;
    term.dropout_key = mix64(mix64(*mask_seed, static_cast<uint64_t>(layer)), static_cast<uint64_t>(module));
  }
  return term;
}

}  // namespace lora
