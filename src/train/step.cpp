#include "train/step.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/profile.h"
#include "train/pass_memory.h"

namespace lora {
namespace {

void note_bad_rows(const at::Tensor& nll, const Forest& forest, const std::vector<const Example*>& examples,
                   StepResult& result) {
  const at::Tensor bad = at::isfinite(nll).logical_not();
  for (int64_t i = 0; i < bad.numel(); ++i) {
    if (!bad[i].item<bool>()) continue;
    const size_t line = examples[static_cast<size_t>(forest.row_examples[static_cast<size_t>(i)])]->line;
    if (result.bad_lines.empty() || result.bad_lines.back() != line) result.bad_lines.push_back(line);
  }
}

// What a pass over this forest computes again.
Recompute recompute_of(const Decoder& decoder, const Adapter& adapter, const Forest& forest,
                       const ForestOptions& options) {
  if (options.pass_bytes <= 0) return options.recompute;
  return least_recompute(
      pass_model(decoder.config(), adapter.config(), at::get_num_threads(), decoder.weights().precision()),
      pass_size(forest), options.pass_bytes, options.recompute);
}

// Summed in double: in float, adding millions of squares loses the small ones (0.04 % at 5 million numbers, 0.4 % at 50).
// The order depends on nothing but how many there are.
double norm_of(const at::Tensor& gradients) {
  const ProfileScope scope("gradient_norm");
  constexpr int64_t kPart = int64_t{1} << 16, kLanes = 16;
  const int64_t n = gradients.numel(), parts = (n + kPart - 1) / kPart;
  std::vector<double> squares(static_cast<size_t>(parts));
  AT_DISPATCH_FLOATING_TYPES(gradients.scalar_type(), "gradient_norm", [&] {
    const scalar_t* g = gradients.const_data_ptr<scalar_t>();
    at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        std::array<double, kLanes> sums{};
        const int64_t last = std::min(n, (part + 1) * kPart);
        int64_t i = part * kPart;
        for (; i + kLanes <= last; i += kLanes)
          for (int64_t lane = 0; lane < kLanes; ++lane) {
            const auto x = static_cast<double>(g[i + lane]);
            sums[static_cast<size_t>(lane)] += x * x;
          }
        for (; i < last; ++i) sums[0] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
        squares[static_cast<size_t>(part)] = std::accumulate(sums.begin(), sums.end(), 0.0);
      }
    });
  });
  return std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0));
}

}  // namespace

StepResult accumulate_gradients(const Decoder& decoder, Adapter& adapter,
                                const std::vector<const Example*>& examples, ForestOptions forests,
                                uint64_t mask_seed) {
  forests.split_length = decoder.config().long_rope_length();
  adapter.zero_gradients();
  StepResult result;
  double total = 0;
  each_forest(examples, forests, [&](const Forest& forest, const std::vector<const Example*>& members) {
    const ProfileScope pass("pass");
    const ops::HeadLoss loss =
        decoder.loss(forest, &adapter, mask_seed, recompute_of(decoder, adapter, forest, forests));
    const double sum = loss.loss.item<double>();
    if (std::isfinite(sum)) {
      const ProfileScope scope("backward");
      loss.loss.backward();
    } else {
      result.finite = false;
      note_bad_rows(loss.nll, forest, members, result);
    }

    total += sum;
    result.examples += forest.num_examples;
    result.tokens += forest.num_tokens;
    result.unique_tokens += forest.unique_tokens();
    result.supervised_tokens += forest.supervised_tokens();
    for (const double weight : forest.row_weights) result.weight += weight;
  });
  result.loss = total / result.weight;
  result.grad_norm = norm_of(adapter.gradients()) / result.weight;
  result.finite = result.finite && std::isfinite(result.grad_norm);
  return result;
}

StepResult train_step(const Decoder& decoder, Adapter& adapter, Optimizer& optimizer,
                      const std::vector<const Example*>& examples, const ForestOptions& forests,
                      double learning_rate, double max_grad_norm, uint64_t mask_seed) {
  const ProfileScope step("step");
  StepResult result = accumulate_gradients(decoder, adapter, examples, forests, mask_seed);
  if (!result.finite) return result;
  double scale = 1.0 / result.weight;
  if (max_grad_norm > 0) scale *= std::min(1.0, max_grad_norm / (result.grad_norm + 1e-6));
  const ProfileScope scope("optimizer");
  optimizer.step(adapter.gradients(), scale, learning_rate);
  return result;
}

}  // namespace lora
