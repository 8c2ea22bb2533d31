// What must not change the result does not: packing, prefix sharing, the deal to micro-batches, the backend. In float64,
// with grouped heads and a random B, with and without dropout, loss and every gradient to 1e-9.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "model/testing.h"
#include "train/adamw.h"
#include "train/score.h"
#include "train/step.h"
#include "train/testing.h"

namespace lora {
namespace {

using testing::pointers;
using testing::ragged_examples;

constexpr uint64_t kMaskSeed = 99;
constexpr int64_t kNoLimit = 1 << 20;

// Beginnings that examples share are laid once, or each example whole; by default all in one pass.
ForestOptions shared(int64_t max_tokens = kNoLimit, Recompute recompute = Recompute::kNone) {
  return {.share_prefixes = true, .max_tokens = max_tokens, .recompute = recompute};
}
ForestOptions unshared(int64_t max_tokens = kNoLimit) {
  return {.share_prefixes = false, .max_tokens = max_tokens};
}

struct Result {
  double loss = 0;       // summed
  at::Tensor gradients;  // of the summed loss
  int64_t unique_tokens = 0;
};

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>() / b.abs().max().item<double>();
}

// Eight rows: ragged ones, and four that share prefixes three levels deep.
std::vector<Example> rows_of_every_kind() {
  std::vector<Example> rows = ragged_examples(4, 5, 61);
  Random random(9, 9);
  const auto extended = [&](std::vector<int32_t> ids, int count) {
    for (int i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(random.below(61)));
    return ids;
  };
  const std::vector<int32_t> root = extended({}, 10), deep = extended(root, 9), deeper = extended(deep, 8);
  for (const auto& ids : {extended(root, 4), extended(deep, 5), extended(deeper, 3), extended(deeper, 6)})
    rows.push_back(testing::example(ids, 7, rows.size() + 1));
  return rows;
}

class Exactness : public ::testing::TestWithParam<double> {  // lora_dropout
 protected:
  // A tiny model gains nothing from threads, and loses much to waiting for them on a busy machine.
  Exactness() { at::set_num_threads(1); }

  Result run(const std::vector<const Example*>& examples, const ForestOptions& forests,
             ops::Backend backend = ops::Backend::kFused, uint64_t mask_seed = kMaskSeed) {
    const Decoder decoder = testing::tiny_decoder(at::kDouble, backend);
    const StepResult r = accumulate_gradients(decoder, adapter_, examples, forests, mask_seed);
    EXPECT_TRUE(r.finite);
    EXPECT_EQ(r.examples, static_cast<int64_t>(examples.size()));
    return {r.loss * r.weight, adapter_.gradients().clone(), r.unique_tokens};
  }

  void expect_same(const std::string& name, const Result& a, const Result& b) {
    const double loss = std::abs(a.loss - b.loss) / std::abs(b.loss),
                 gradient = difference(a.gradients, b.gradients);
    // Every matrix on its own scale too: a small one must not hide behind a large one.
    double worst = 0;
    int64_t offset = 0;
    for (const Adapter::Entry& entry : adapter_.entries()) {
      const int64_t n = entry.tensor.numel();
      const at::Tensor x = a.gradients.slice(0, offset, offset + n),
                       y = b.gradients.slice(0, offset, offset + n);
      EXPECT_GT(y.abs().max().item<double>(), 1e-6) << "a gradient of zero proves nothing: " << entry.name;
      worst = std::max(worst, difference(x, y));
      offset += (n + 15) / 16 * 16;
    }
    EXPECT_LE(loss, 1e-9) << name;
    EXPECT_LE(gradient, 1e-9) << name;
    EXPECT_LE(worst, 1e-9) << name;
    std::ostringstream text;
    text << "loss " << loss << ", gradients " << gradient << ", worst matrix " << worst;
    RecordProperty(name, text.str());
  }

  const std::vector<Example> rows_ = rows_of_every_kind();
  const std::vector<const Example*> all_ = pointers(rows_);
  Adapter adapter_ = testing::tiny_adapter(at::kDouble, GetParam());
};

TEST_P(Exactness, PackedEqualsAlone) {
  Result sum{0, at::zeros_like(adapter_.gradients())};
  for (const Example* e : all_) {
    const Result r = run({e}, unshared());
    sum.loss += r.loss;
    sum.gradients += r.gradients;
  }
  expect_same("packed_alone", run(all_, unshared()), sum);
  expect_same("shared_alone", run(all_, shared()), sum);
}

TEST_P(Exactness, SharingOnEqualsOff) {
  const Result on = run(all_, shared()), off = run(all_, unshared());
  EXPECT_LT(on.unique_tokens, off.unique_tokens);
  size_t most = 0;
  for (const ops::AttentionBlock& block : build_forest(all_, true).layout.blocks)
    most = std::max(most, block.context.size());
  EXPECT_GE(most, 3u) << "runs that see several others must be among them";
  expect_same("sharing_on_off", on, off);
}

TEST_P(Exactness, HowExamplesAreDealtDoesNotMatter) {
  const Result one = run(all_, shared());
  expect_same("one_by_one", run(all_, shared(1)), one);
  expect_same("a_few_each", run(all_, shared(40)), one);
  expect_same("a_few_each_unshared", run(all_, unshared(40)), one);
  ASSERT_GT(deal(all_, shared(40)).size(), 2u);
  ASSERT_LT(deal(all_, shared(40)).size(), 8u);
}

TEST_P(Exactness, WhatIsComputedAgainDoesNotMatter) {
  const Result none = run(all_, shared(60));
  for (const ops::Backend backend : {ops::Backend::kFused, ops::Backend::kReference})
    for (const Recompute level : {Recompute::kCheap, Recompute::kBlock, Recompute{RecomputeLevel::kBlock, 1}})
      expect_same(std::string("recompute_") + recompute_name(level) +
                      (backend == ops::Backend::kFused ? "" : "_reference"),
                  run(all_, shared(60, level), backend), none);
}

// The base in 4 bits, unpacked where it is used, against the same numbers laid out whole; and sharing does not matter there.
TEST_P(Exactness, PackedBaseEqualsDenseBase) {
  const ModelConfig config = testing::tiny_config();
  const ModelWeights packed = testing::packed_weights(random_weights(config, 1, at::kDouble));
  const auto run_with = [&](const ModelWeights& weights, const ForestOptions& forests, ops::Backend backend) {
    const StepResult r =
        accumulate_gradients(Decoder(config, weights, backend), adapter_, all_, forests, kMaskSeed);
    return Result{r.loss * r.weight, adapter_.gradients().clone(), r.unique_tokens};
  };
  const Result dense = run_with(testing::dense_weights(packed), unshared(), ops::Backend::kFused);
  expect_same("packed", run_with(packed, unshared(), ops::Backend::kFused), dense);
  expect_same("packed_shared", run_with(packed, shared(), ops::Backend::kFused), dense);
  expect_same("packed_one_by_one", run_with(packed, shared(1), ops::Backend::kFused), dense);
  expect_same("packed_reference", run_with(packed, shared(), ops::Backend::kReference), dense);
}

// Windows reach over shared prefixes, and rows on either side of LongRoPE's border begin alike. What a layer keeps depends on its norms,
// on how its projections are fused, on caps and multipliers.
TEST(ExactnessOfFamilies, SharingDealingAndRecomputationDoNotMatter) {
  at::set_num_threads(1);
  const std::vector<Example> rows = rows_of_every_kind();
  for (const ModelConfig& config : testing::tiny_family_configs()) {
    const Decoder decoder(config, random_weights(config, 1, at::kDouble));
    Adapter adapter = testing::tiny_adapter(at::kDouble, 0.3, config);
    const auto run = [&](const ForestOptions& options) {
      const StepResult r = accumulate_gradients(decoder, adapter, pointers(rows), options, kMaskSeed);
      return std::tuple(r.loss, adapter.gradients().clone(), r.unique_tokens);
    };
    const auto [loss, gradients, tokens] = run(unshared(1));
    for (const ForestOptions& options :
         {shared(), shared(40), unshared(), shared(kNoLimit, Recompute::kCheap),
          shared(kNoLimit, Recompute::kBlock), shared(40, Recompute{RecomputeLevel::kCheap, 1})}) {
      const auto [other_loss, other_gradients, other_tokens] = run(options);
      EXPECT_EQ(other_tokens < tokens, options.share_prefixes) << config.family;
      EXPECT_NEAR(other_loss, loss, 1e-9 * loss) << config.family;
      EXPECT_LE(difference(other_gradients, gradients), 1e-9) << config.family;
    }
  }
}

// With kMedium layers keep bfloat16 of what they read, or compute it again of a bfloat16: gradients are those of all bits, as far as 8
// bits go, in every family. In float.
TEST(ExactnessOfFamilies, MediumGoesAsFarAsItsBits) {
  at::set_num_threads(1);
  const std::vector<Example> rows = rows_of_every_kind();
  for (const ModelConfig& config : testing::tiny_family_configs()) {
    Adapter adapter = testing::tiny_adapter(at::kFloat, 0.3, config);
    const auto run = [&](MatmulPrecision precision, const ForestOptions& options) {
      ModelWeights weights = random_weights(config, 1, at::kFloat);
      weights.set_precision(precision);
      const StepResult r = accumulate_gradients(Decoder(config, std::move(weights)), adapter, pointers(rows),
                                                options, kMaskSeed);
      return std::pair(r.loss, adapter.gradients().clone());
    };
    const auto [loss, gradients] = run(MatmulPrecision::kHighest, shared());
    for (const ForestOptions& options :
         {shared(), shared(40), shared(kNoLimit, Recompute::kCheap), shared(kNoLimit, Recompute::kBlock)}) {
      const auto [medium_loss, medium] = run(MatmulPrecision::kMedium, options);
      EXPECT_NEAR(medium_loss, loss, 1e-2 * loss) << config.family;
      int64_t offset = 0;
      for (const Adapter::Entry& entry : adapter.entries()) {
        const int64_t n = entry.tensor.numel();
        const at::Tensor got = medium.slice(0, offset, offset + n),
                         expected = gradients.slice(0, offset, offset + n);
        const double error = ((got - expected).norm() / expected.norm()).item<double>();
        EXPECT_LE(error, 6e-2) << config.family << ", " << entry.name;
        EXPECT_GT(error, 1e-5) << config.family << ": is this medium?";
        offset += (n + 15) / 16 * 16;
      }
    }
  }
}

// A row of weight 2 counts as two of it, a row of weight 0.25 a quarter, in the loss and in what it is divided by.
TEST_P(Exactness, AWeightCountsARowSoManyTimes) {
  std::vector<Example> weighted = rows_;
  weighted[1].weight = 2;
  weighted[5].weight = 0.25;
  const Result got = run(pointers(weighted), shared());
  Result sum = run(all_, shared());
  const Result twice = run({all_[1]}, shared()), quarter = run({all_[5]}, shared());
  sum.loss += twice.loss - 0.75 * quarter.loss;
  sum.gradients += twice.gradients - 0.75 * quarter.gradients;
  expect_same("weights", got, sum);

  const Decoder decoder = testing::tiny_decoder(at::kDouble, ops::Backend::kFused);
  const StepResult step = accumulate_gradients(decoder, adapter_, pointers(weighted), shared(), kMaskSeed);
  EXPECT_EQ(step.weight, static_cast<double>(step.supervised_tokens + rows_[1].num_supervised()) -
                             0.75 * static_cast<double>(rows_[5].num_supervised()));
}

// 1 x 8 = 2 x 4 = 8 x 1: batches of 8, 2 and 1 examples, added up.
TEST_P(Exactness, AccumulationEqualsOneBatch) {
  const Result whole = run(all_, shared());
  for (const size_t size : {size_t{1}, size_t{2}, size_t{4}}) {
    Result sum{0, at::zeros_like(adapter_.gradients())};
    for (size_t begin = 0; begin < all_.size(); begin += size) {
      const Result r =
          run({all_.begin() + static_cast<int64_t>(begin), all_.begin() + static_cast<int64_t>(begin + size)},
              shared());
      sum.loss += r.loss;
      sum.gradients += r.gradients;
    }
    expect_same("batches_of_" + std::to_string(size), sum, whole);
  }
}

TEST_P(Exactness, TheOrderOfTheExamplesDoesNotMatter) {
  std::vector<const Example*> reversed(all_.rbegin(), all_.rend());
  expect_same("reversed", run(reversed, shared(60)), run(all_, shared(60)));
}

TEST_P(Exactness, FusedEqualsReference) {
  expect_same("fused_reference", run(all_, shared(), ops::Backend::kFused),
              run(all_, shared(), ops::Backend::kReference));
}

// The gradient is that of the loss: central differences along random directions, of A and of B.
TEST_P(Exactness, GradientEqualsTheSlopeOfTheLoss) {
  const Result at_point = run(all_, shared());
  at::Tensor parameters = adapter_.parameters();
  const at::Tensor start = parameters.clone();
  Random random(3, 4);
  for (int trial = 0; trial < 4; ++trial) {
    at::Tensor direction = at::zeros_like(start);
    for (int64_t i = 0; i < direction.numel(); ++i) direction.data_ptr<double>()[i] = random.normal();
    const double expected = at::dot(at_point.gradients, direction).item<double>(), epsilon = 1e-5;
    parameters.copy_(start + epsilon * direction);
    const double above = run(all_, shared()).loss;
    parameters.copy_(start - epsilon * direction);
    const double below = run(all_, shared()).loss;
    parameters.copy_(start);
    EXPECT_NEAR((above - below) / (2 * epsilon), expected, 1e-6 * std::abs(expected) + 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Dropout, Exactness, ::testing::Values(0.0, 0.3),
                         [](const auto& dropout) { return dropout.param > 0 ? "With" : "Without"; });

TEST(Dropout, ActsInTrainingAndFollowsTheSeed) {
  const std::vector<Example> rows = ragged_examples(8, 5, 61);
  const Decoder decoder = testing::tiny_decoder(at::kDouble);
  Adapter adapter = testing::tiny_adapter(at::kDouble, 0.3), none = testing::tiny_adapter(at::kDouble, 0);
  const auto loss = [&](Adapter& a, uint64_t seed) {
    return accumulate_gradients(decoder, a, pointers(rows), shared(), seed).loss;
  };
  EXPECT_EQ(loss(adapter, 1), loss(adapter, 1));
  EXPECT_GT(std::abs(loss(adapter, 1) - loss(adapter, 2)), 1e-6);
  EXPECT_GT(std::abs(loss(adapter, 1) - loss(none, 1)), 1e-6);
}

TEST(Score, DropoutIsOffAndTwoCallsGiveEqualBits) {
  const std::vector<Example> rows = ragged_examples(20, 6, 61);
  const Decoder decoder = testing::tiny_decoder(at::kFloat);
  const Adapter adapter = testing::tiny_adapter(at::kFloat, 0.5), none = testing::tiny_adapter(at::kFloat, 0);
  const ForestOptions options = shared(60);
  const std::vector<Score> first = score(decoder, &adapter, rows, options),
                           second = score(decoder, &adapter, rows, options);
  const std::vector<Score> without = score(decoder, &none, rows, options),
                           base = score(decoder, nullptr, rows, options);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(first[i].nll, second[i].nll);
    EXPECT_EQ(first[i].nll, without[i].nll);
    EXPECT_NE(first[i].nll, base[i].nll);
    EXPECT_EQ(first[i].tokens, rows[i].num_supervised());
  }
}

// Against logits of one example at a time, and softmax written out.
TEST(Score, IsTheNllOfTheSupervisedTokens) {
  const std::vector<Example> rows = ragged_examples(10, 7, 61);
  const Decoder decoder = testing::tiny_decoder(at::kDouble);
  const Adapter adapter = testing::tiny_adapter(at::kDouble);
  const std::vector<Score> scores = score(decoder, &adapter, rows, shared(50));
  double sum = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    Forest forest;
    const auto n = static_cast<int64_t>(rows[i].ids.size());
    for (int64_t t = 0; t < n; ++t) {
      forest.ids.push_back(rows[i].ids[static_cast<size_t>(t)]);
      forest.positions.push_back(t);
    }
    forest.layout = {{{0, n, 0, {}}}, {0}};
    const at::Tensor p = decoder.logits(forest, &adapter).softmax(-1);
    double nll = 0;
    for (int64_t t = 1; t < n; ++t)
      if (rows[i].supervised[static_cast<size_t>(t)])
        nll -= std::log(p[t - 1][rows[i].ids[static_cast<size_t>(t)]].item<double>());
    EXPECT_NEAR(scores[i].nll, nll, 1e-9 * nll) << "example " << i;
    sum += nll;
  }
  EXPECT_NEAR(total(scores).nll, sum, 1e-9 * sum);
}

TEST(TrainStep, NormAndClippingAreOfTheMeanLoss) {
  const std::vector<Example> rows = ragged_examples(6, 8, 61);
  const Decoder decoder = testing::tiny_decoder(at::kDouble);
  Adapter adapter = testing::tiny_adapter(at::kDouble);
  const StepResult r = accumulate_gradients(decoder, adapter, pointers(rows), shared(), 1);
  const at::Tensor mean = adapter.gradients() / static_cast<double>(r.supervised_tokens);
  EXPECT_NEAR(r.grad_norm, mean.norm().item<double>(), 1e-12);
  // A large epsilon makes the step proportional to the gradient, so that its length shows the clipping.
  for (const double limit : {0.0, r.grad_norm / 4, r.grad_norm * 4}) {
    Adapter stepped = testing::tiny_adapter(at::kDouble);
    AdamW optimizer(stepped.parameters(), {0, 0, 1e9, 0});
    const at::Tensor before = stepped.parameters().clone();
    train_step(decoder, stepped, optimizer, pointers(rows), shared(), 1e9, limit, 1);
    const double length = (stepped.parameters() - before).norm().item<double>();
    const double expected = limit > 0 ? std::min(limit, r.grad_norm) : r.grad_norm;
    EXPECT_NEAR(length, expected, 1e-4 * expected) << "max_grad_norm " << limit;
  }
}

}  // namespace
}  // namespace lora
