#include "train/adamw.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

namespace lora {

AdamW::AdamW(at::Tensor parameters, AdamWOptions options, std::vector<ParameterRun> runs)
    : parameters_(std::move(parameters)),
      m_(at::zeros_like(parameters_)),
      v_(at::zeros_like(parameters_)),
      options_(options),
      runs_(std::move(runs)) {
  if (runs_.empty()) runs_.push_back({0, parameters_.numel(), 1});
}

void AdamW::step(const at::Tensor& gradients, double gradient_scale, double learning_rate) {
  ++steps_;
  const double correction1 = 1 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double correction2 = 1 - std::pow(options_.beta2, static_cast<double>(steps_));
  AT_DISPATCH_FLOATING_TYPES(parameters_.scalar_type(), "adamw", [&] {
    const auto scale = static_cast<scalar_t>(gradient_scale);
    const auto beta1 = static_cast<scalar_t>(options_.beta1), beta2 = static_cast<scalar_t>(options_.beta2);
    const auto root2 = static_cast<scalar_t>(std::sqrt(correction2));
    const auto epsilon = static_cast<scalar_t>(options_.epsilon);
    for (const ParameterRun& run : runs_) {
      scalar_t* p = parameters_.data_ptr<scalar_t>() + run.begin;
      scalar_t* m = m_.data_ptr<scalar_t>() + run.begin;
      scalar_t* v = v_.data_ptr<scalar_t>() + run.begin;
      const scalar_t* g = gradients.data_ptr<scalar_t>() + run.begin;
      const double own_rate = learning_rate * run.learning_rate_ratio;
      const auto keep = static_cast<scalar_t>(1 - own_rate * options_.weight_decay);
      const auto rate = static_cast<scalar_t>(own_rate / correction1);
      at::parallel_for(0, run.size, 65536, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const scalar_t gi = g[i] * scale;
          m[i] += (scalar_t{1} - beta1) * (gi - m[i]);
          v[i] = beta2 * v[i] + (scalar_t{1} - beta2) * gi * gi;
          p[i] = keep * p[i] - rate * m[i] / (std::sqrt(v[i]) / root2 + epsilon);
        }
      });
    }
  });
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  return {{"first_moment", m_}, {"second_moment", v_}};
}

}  // namespace lora
