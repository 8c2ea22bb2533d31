// AdamW (arXiv 1711.05101) over one flat vector of parameters, with torch.optim.AdamW's arithmetic.
#pragma once

#include "train/optimizer.h"

namespace lora {

class AdamW : public Optimizer {
 public:
  // `parameters` is updated in place; float or double. `runs` lie in it in ascending order; what is in none is left
  // alone. No runs: all of it is one.
  AdamW(at::Tensor parameters, AdamWOptions options, std::vector<ParameterRun> runs = {});

  void step(const at::Tensor& gradients, double gradient_scale, double learning_rate) override;
  std::vector<std::pair<std::string, at::Tensor>> state() const override;

  at::Tensor first_moment() const { return m_; }
  at::Tensor second_moment() const { return v_; }

 private:
  at::Tensor parameters_, m_, v_;
  AdamWOptions options_;
  std::vector<ParameterRun> runs_;
};

}  // namespace lora
