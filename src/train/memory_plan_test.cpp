// The categories of a plan beside the tensors that they stand for. Passes are pass_memory_test.cpp's.
#include "train/memory_plan.h"

#include <gtest/gtest.h>

#include "model/testing.h"
#include "train/optimizer.h"

namespace lora {
namespace {

ModelConfig with_wide_mlp() {
  ModelConfig model = testing::tiny_config();
  model.intermediate_size = 900;  // so that adamw_8bit has matrices of both kinds
  return model;
}

AdapterConfig rank(int64_t r) {
  AdapterConfig adapter;
  adapter.r = r;
  return adapter;
}

TEST(MemoryPlan, AdapterAndOptimizerTakeWhatTheirTensorsTake) {
  const ModelConfig model = with_wide_mlp();
  for (const int64_t r : {1, 3, 16}) {
    const AdapterConfig config = rank(r);
    const Adapter adapter = Adapter::create(model, config, 1);
    EXPECT_EQ(adapter_bytes(model, config), static_cast<int64_t>(adapter.parameters().nbytes()));
    for (const char* optim : {"adamw", "adamw_8bit"}) {
      int64_t bytes = 0;
      for (const auto& [name, tensor] : make_optimizer(optim, adapter, {})->state())
        bytes += static_cast<int64_t>(tensor.nbytes());
      EXPECT_EQ(optimizer_bytes(optim, model, config), bytes) << optim << ", r " << r;
    }
  }
}

TEST(MemoryPlan, TheLargestPassCountsAndAnswersWhatTheyNeedBeyondIt) {
  const ModelConfig model = with_wide_mlp();
  const AdapterConfig adapter = rank(3);
  MemoryInput input{model, adapter, "adamw", {1000, 2000, 0}, 5000, 2};
  input.training = {{100, 50, 50, 40}, {300, 90, 90, 60}, {200, 90, 90, 60}};
  const MemoryPlan plan = plan_memory(input, Recompute::kNone);
  EXPECT_EQ(plan.base, 3000);
  EXPECT_EQ(plan.cache, 0);
  int64_t sum = 0;
  for (const auto& [name, bytes] : categories(plan)) sum += bytes;
  EXPECT_EQ(plan.total(), sum);

  input.training = {{300, 90, 90, 60}};
  EXPECT_EQ(plan_memory(input, Recompute::kNone).total(), plan.total());
  EXPECT_LT(plan_memory(input, Recompute::kCheap).total(), plan.total());
  EXPECT_LT(plan_memory(input, Recompute::kBlock).total(), plan_memory(input, Recompute::kCheap).total());

  input.answers = {10, 10, 20, 1};
  EXPECT_EQ(plan_memory(input, Recompute::kNone).cache, 0);  // training takes more
  input.answers = {1'000'000, 10, 20, 1};
  const int64_t keys_and_values = 2 * model.num_hidden_layers * 1'000'000 * 2 * 6 * 4;
  // They take the place of what the training held: said is what they need beyond it.
  const PassModel passes = pass_model(model, adapter, 2, MatmulPrecision::kHighest);
  EXPECT_EQ(plan_memory(input, Recompute::kNone).cache,
            keys_and_values + reading_pass(passes, {10, 1, 1, 20}, 1).total() -
                training_pass(passes, {300, 90, 90, 60}, Recompute::kNone).total());
  const int64_t alone = plan_memory(input, Recompute::kNone).cache;
  input.answers.other_adapters = 3;
  EXPECT_EQ(plan_memory(input, Recompute::kNone).cache, alone + 3 * 2 * plan.adapter);

  input.base.loading = 100'000'000'000;
  EXPECT_EQ(plan_memory(input, Recompute::kNone).total(), 3000 + 100'000'000'000 + 5000);
}

}  // namespace
}  // namespace lora
