// Which passes a run is planned by.
#include "train/run_passes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/testing.h"
#include "train/testing.h"

namespace lora {
namespace {

using testing::example;

// 400 rows of 8 tokens, and one of 60 somewhere among them.
std::vector<Example> rows_with_a_long_one(size_t place) {
  std::vector<Example> rows;
  for (size_t n = 0; n < 400; ++n) {
    std::vector<int32_t> ids(n == place ? 60 : 8);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>((7 * n + i) % 61);
    rows.push_back(example(std::move(ids), 1, n + 1));
  }
  return rows;
}

TEST(RunPasses, HoldTheLongestRowHoweverFewStepsAreLaid) {
  const ModelConfig model = testing::tiny_config();
  TrainOptions options;
  options.per_device_train_batch_size = 2;
  options.gradient_accumulation_steps = 1;
  options.num_train_epochs = 1;
  options.micro_batch_tokens = 16;
  for (const size_t place : {0, 7, 123, 399}) {
    const std::vector<Example> rows = rows_with_a_long_one(place);
    const RunPasses all = training_passes(model, rows, options);
    EXPECT_EQ(all.steps, 200);
    const RunPasses some = training_passes(model, rows, options, 100);
    EXPECT_LT(some.steps, 10);
    for (const RunPasses* passes : {&all, &some})
      EXPECT_EQ(std::ranges::max(passes->passes, {}, &PassSize::tokens).tokens, rows[place].input_length());
  }
}

}  // namespace
}  // namespace lora
