// AdamW (arXiv 1711.05101) over one flat vector of parameters, with torch.optim.AdamW's arithmetic.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace lora {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
};

class AdamW {
 public:
  // `parameters` is updated in place; float or double.
  AdamW(at::Tensor parameters, AdamWOptions options);

  // One step along `gradients * gradient_scale`.
  void step(const at::Tensor& gradients, double gradient_scale, double learning_rate);

  // What a checkpoint keeps: first and second moments, and how many steps were made.
  at::Tensor first_moment() const { return m_; }
  at::Tensor second_moment() const { return v_; }
  int64_t steps() const { return steps_; }
  void restore(const at::Tensor& first_moment, const at::Tensor& second_moment, int64_t steps);

 private:
  at::Tensor parameters_, m_, v_;
  AdamWOptions options_;
  int64_t steps_ = 0;
};

}  // namespace lora
