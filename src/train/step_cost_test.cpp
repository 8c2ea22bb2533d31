// Counts of a step, against sums that go token by token and matrix by matrix. Against PyTorch's own counter of the same
// products: tests/parity/test_step_cost.py.
#include "train/step_cost.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/testing.h"
#include "train/forest_builder.h"
#include "train/testing.h"

namespace lora {
namespace {

// Three rows over one prefix of 10 tokens, and a row of its own, with windows of 5, none and 2.
std::vector<Example> rows() {
  std::vector<int32_t> prefix{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const auto with = [&](std::vector<int32_t> own) {
    std::vector<int32_t> ids = prefix;
    ids.insert(ids.end(), own.begin(), own.end());
    return ids;
  };
  return {testing::example(with({20, 21, 22}), 11), testing::example(with({30, 31}), 10),
          testing::example(with({40, 41, 42, 43, 44}), 12), testing::example({50, 51, 52, 53}, 2)};
}

ModelConfig with_windows() {
  ModelConfig model = testing::tiny_config();
  model.layers = {{5}, {0}, {2}};
  return model;
}

TEST(StepSize, OfRowsLaidAloneIsTheSumOverTheirTokens) {
  const std::vector<Example> examples = rows();
  const ModelConfig model = with_windows();
  const StepSize size = step_size(model, build_forest(testing::pointers(examples), false));
  // The last token of a row is predicted and not read: 12, 11, 14 and 3 tokens are.
  EXPECT_EQ(size.unique_tokens, 12 + 11 + 14 + 3);
  EXPECT_EQ(size.supervised_tokens, 2 + 2 + 3 + 2);
  int64_t keys = 0;
  for (const int64_t window : {5, 1000, 2})
    for (const int64_t length : {12, 11, 14, 3})
      for (int64_t position = 0; position < length; ++position) keys += std::min(position + 1, window);
  EXPECT_EQ(size.attended_keys, keys);
}

TEST(StepSize, CountsASharedPrefixOnceAndItsKeysForEachBranch) {
  const std::vector<Example> examples = rows();
  const ModelConfig model = with_windows();
  const StepSize size = step_size(model, build_forest(testing::pointers(examples), true));
  EXPECT_EQ(size.unique_tokens, 10 + 2 + 1 + 4 + 3);
  EXPECT_EQ(size.supervised_tokens, 2 + 2 + 3 + 2);
  int64_t keys = 0;
  for (const int64_t window : {5, 1000, 2}) {
    for (int64_t position = 0; position < 10; ++position) keys += std::min(position + 1, window);
    for (const int64_t length : {12, 11, 14})
      for (int64_t position = 10; position < length; ++position) keys += std::min(position + 1, window);
    for (int64_t position = 0; position < 3; ++position) keys += std::min(position + 1, window);
  }
  EXPECT_EQ(size.attended_keys, keys);
}

TEST(StepSize, ForestsOfAStepAddUp) {
  const std::vector<Example> examples = rows();
  const ModelConfig model = with_windows();
  StepSize sum;
  for (const Example& example : examples) sum += step_size(model, build_forest({&example}, false));
  const StepSize whole = step_size(model, build_forest(testing::pointers(examples), false));
  EXPECT_EQ(sum.unique_tokens, whole.unique_tokens);
  EXPECT_EQ(sum.supervised_tokens, whole.supervised_tokens);
  EXPECT_EQ(sum.attended_keys, whole.attended_keys);
}

TEST(StepCost, OfATinyModelByHand) {
  // q 36x22, k and v 12x22, o 22x36, gate and up 37x22, down 22x37; three layers; head 61x22.
  const ModelConfig model = testing::tiny_config();
  const StepCost cost = step_cost(model, /*adapter_weights=*/1000, {100, 30, 7000});
  const double layer = 36 * 22 + 2 * 12 * 22 + 22 * 36 + 2 * 37 * 22 + 22 * 37;
  EXPECT_DOUBLE_EQ(cost.frozen, 4 * 3 * layer * 100);
  EXPECT_DOUBLE_EQ(cost.adapter, 6 * 1000 * 100);
  EXPECT_DOUBLE_EQ(cost.attention, 14.0 * 7000 * 6 * 6);
  EXPECT_DOUBLE_EQ(cost.head, 4 * 61 * 22 * 30);
  EXPECT_DOUBLE_EQ(cost.total(), cost.frozen + cost.adapter + cost.attention + cost.head);

  ASSERT_EQ(cost.shapes.size(), 5u);  // k and v share one, and so do gate and up
  EXPECT_EQ(cost.shapes[1].out, 12);
  EXPECT_EQ(cost.shapes[1].in, 22);
  EXPECT_EQ(cost.shapes[1].count, 6);
  EXPECT_DOUBLE_EQ(cost.shapes[1].flops, 4.0 * 6 * 12 * 22 * 100);
  double shapes = 0;
  for (const StepCost::Shape& shape : cost.shapes) shapes += shape.flops;
  EXPECT_DOUBLE_EQ(shapes, cost.frozen);
}

TEST(StepCost, AdapterWeightsAreThoseOfTheAdapter) {
  for (const ModelConfig& model : testing::tiny_family_configs()) {
    AdapterConfig config;
    config.r = 3;
    EXPECT_EQ(adapter_weights(model, config), Adapter::create(model, config, 1).num_parameters())
        << model.family;
  }
  AdapterConfig some;
  some.r = 4;
  some.target_modules = {"v_proj", "model.layers.1.mlp.down_proj"};
  EXPECT_EQ(adapter_weights(testing::tiny_config(), some), 3 * 4 * (12 + 22) + 4 * (22 + 37));
}

}  // namespace
}  // namespace lora
