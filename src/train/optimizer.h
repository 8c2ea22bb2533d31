// What an optimizer is to the step and to a checkpoint: it moves one flat vector of parameters along gradients, and
// holds a state that can be saved and restored. Which ones there are: adamw.h, adamw_8bit.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace lora {

// A run of parameters that belong together: one matrix. `learning_rate_ratio` multiplies its learning rate (LoRA+,
// arXiv 2402.12354, gives B a higher one than A).
struct ParameterRun {
  int64_t begin = 0, size = 0;
  double learning_rate_ratio = 1;
};

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One step along `gradients * gradient_scale`; both flat, in the order of the parameters.
  virtual void step(const at::Tensor& gradients, double gradient_scale, double learning_rate) = 0;

  // The state by name: the tensors themselves, which a restore writes into.
  virtual std::vector<std::pair<std::string, at::Tensor>> state() const = 0;

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

 protected:
  int64_t steps_ = 0;
};

class Adapter;

// The matrices of an adapter as runs; those of B get `loraplus_lr_ratio`.
std::vector<ParameterRun> parameter_runs(const Adapter& adapter, double loraplus_lr_ratio = 1);

bool optimizer_known(const std::string& optim);
bool is_adamw_8bit(const std::string& optim);  // by any of its names

// "adamw" (also "adamw_torch") or "adamw_8bit" (also "paged_adamw_8bit", "adamw_bnb_8bit") over an adapter's parameters.
// Errors: kInput for another name.
std::unique_ptr<Optimizer> make_optimizer(const std::string& optim, const Adapter& adapter,
                                          const AdamWOptions& options, double loraplus_lr_ratio = 1);

}  // namespace lora
