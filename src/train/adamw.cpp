#include "train/adamw.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace lora {
namespace {

// Numbers that a thread takes at a time.
constexpr int64_t kMostAtOnce = int64_t{1} << 16;

}  // namespace

AdamW::AdamW(at::Tensor parameters, AdamWOptions options, std::vector<ParameterRun> runs)
    : parameters_(std::move(parameters)),
      m_(at::zeros_like(parameters_)),
      v_(at::zeros_like(parameters_)),
      options_(options) {
  if (runs.empty()) runs.push_back({0, parameters_.numel(), 1});
  for (const ParameterRun& run : runs)
    for (int64_t begin = 0; begin < run.size; begin += kMostAtOnce)
      runs_.push_back({run.begin + begin, std::min(kMostAtOnce, run.size - begin), run.learning_rate_ratio});
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
    const auto update = [&](const ParameterRun& run) {
      scalar_t* p = parameters_.data_ptr<scalar_t>() + run.begin;
      scalar_t* m = m_.data_ptr<scalar_t>() + run.begin;
      scalar_t* v = v_.data_ptr<scalar_t>() + run.begin;
      const scalar_t* g = gradients.data_ptr<scalar_t>() + run.begin;
      const double own_rate = learning_rate * run.learning_rate_ratio;
      const auto keep = static_cast<scalar_t>(1 - own_rate * options_.weight_decay);
      const auto rate = static_cast<scalar_t>(own_rate / correction1);
      for (int64_t i = 0; i < run.size; ++i) {
        const scalar_t gi = g[i] * scale;
        m[i] += (scalar_t{1} - beta1) * (gi - m[i]);
        v[i] = beta2 * v[i] + (scalar_t{1} - beta2) * gi * gi;
        p[i] = keep * p[i] - rate * m[i] / (std::sqrt(v[i]) / root2 + epsilon);
      }
    };
    // The matrices of an adapter are small: threads take several, not parts of each.
    at::parallel_for(0, static_cast<int64_t>(runs_.size()), 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) update(runs_[static_cast<size_t>(i)]);
    });
  });
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  return {{"first_moment", m_}, {"second_moment", v_}};
}

}  // namespace lora
