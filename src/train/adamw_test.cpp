// Against torch.optim.AdamW, and one step by hand.
#include "train/adamw.h"

#include <gtest/gtest.h>
#include <torch/optim/adamw.h>
#include <torch/torch.h>

#include <cmath>

namespace lora {
namespace {

double largest_difference(at::ScalarType dtype, const AdamWOptions& options, double scale, int64_t n = 1000) {
  torch::manual_seed(1);
  const at::Tensor start = torch::randn({n}, dtype);
  at::Tensor theirs = start.clone().requires_grad_(true);
  torch::optim::AdamW reference({theirs}, torch::optim::AdamWOptions(1)
                                              .betas({options.beta1, options.beta2})
                                              .eps(options.epsilon)
                                              .weight_decay(options.weight_decay));
  at::Tensor mine = start.clone();
  AdamW optimizer(mine, options);
  for (int step = 0; step < 30; ++step) {
    const double learning_rate = 1e-2 / (1 + step);
    const at::Tensor gradient = torch::randn({n}, dtype) * std::pow(10.0, step % 5 - 3);
    for (auto& group : reference.param_groups()) group.options().set_lr(learning_rate);
    theirs.mutable_grad() = gradient * scale;
    reference.step();
    optimizer.step(gradient, scale, learning_rate);
  }
  EXPECT_EQ(optimizer.steps(), 30);
  EXPECT_GT((mine - start).abs().max().item<double>(), 1e-3);
  return (mine - theirs.detach()).abs().max().item<double>();
}

TEST(AdamW, EqualsTorch) {
  for (const double decay : {0.0, 0.1}) {
    EXPECT_LT(largest_difference(at::kDouble, {0.9, 0.999, 1e-8, decay}, 1), 1e-14);
    EXPECT_LT(largest_difference(at::kDouble, {0.8, 0.95, 1e-6, decay}, 0.125), 1e-14);
    EXPECT_LT(largest_difference(at::kFloat, {0.9, 0.999, 1e-8, decay}, 1), 2e-6);
  }
  // More than a thread takes at a time, and no multiple of it.
  EXPECT_LT(largest_difference(at::kDouble, {0.9, 0.999, 1e-8, 0.1}, 1, 150001), 1e-14);
}

// m = 0.1 g, v = 0.001 g²; both corrected give g and |g|: the first step is the learning rate, less the decay.
TEST(AdamW, FirstStepByHand) {
  at::Tensor p = torch::tensor({2.0, -3.0}, at::kDouble);
  AdamW optimizer(p, {0.9, 0.999, 1e-8, 0.5});
  optimizer.step(torch::tensor({8.0, -4.0}, at::kDouble), 0.5, 0.01);
  EXPECT_NEAR(p[0].item<double>(), 2.0 * (1 - 0.01 * 0.5) - 0.01, 1e-10);
  EXPECT_NEAR(p[1].item<double>(), -3.0 * (1 - 0.01 * 0.5) + 0.01, 1e-10);
  EXPECT_NEAR(optimizer.first_moment()[0].item<double>(), 0.4, 1e-15);
  EXPECT_NEAR(optimizer.second_moment()[0].item<double>(), 0.016, 1e-15);
}

TEST(AdamW, RestoredStateGoesOnAsIfNothingHappened) {
  torch::manual_seed(2);
  at::Tensor straight = torch::randn({50}), other;
  AdamW a(straight, {});
  std::vector<at::Tensor> gradients;
  for (int i = 0; i < 6; ++i) gradients.push_back(torch::randn({50}));
  for (int i = 0; i < 3; ++i) a.step(gradients[static_cast<size_t>(i)], 1, 1e-2);
  other = straight.clone();
  AdamW b(other, {});
  b.set_steps(a.steps());
  for (size_t i = 0; i < a.state().size(); ++i) b.state()[i].second.copy_(a.state()[i].second);
  for (size_t i = 3; i < 6; ++i) {
    a.step(gradients[i], 1, 1e-2);
    b.step(gradients[i], 1, 1e-2);
  }
  EXPECT_TRUE(at::equal(straight, other));
}

}  // namespace
}  // namespace lora
