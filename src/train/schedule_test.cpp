// Against the numbers of transformers.get_scheduler(name, SGD(lr=2e-4), num_warmup_steps=3, num_training_steps=10).
#include "train/schedule.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace lora {
namespace {

const std::map<std::string, std::vector<double>> kTransformers{
    {"linear",
     {0.0, 6.666666666666667e-05, 0.00013333333333333334, 0.0002, 0.00017142857142857143,
      0.00014285714285714287, 0.00011428571428571428, 8.571428571428571e-05, 5.714285714285714e-05,
      2.857142857142857e-05, 0.0}},
    {"cosine",
     {0.0, 6.666666666666667e-05, 0.00013333333333333334, 0.0002, 0.0001900968867902419,
      0.00016234898018587337, 0.00012225209339563145, 7.774790660436858e-05, 3.7651019814126654e-05,
      9.903113209758096e-06, 0.0}},
    {"warmup_stable_decay",  // num_decay_steps=2, a fifth
     {0.0, 6.666666666666667e-05, 0.00013333333333333334, 0.0002, 0.0002, 0.0002, 0.0002, 0.0002, 0.0002,
      0.0001, 0.0}},
    {"constant", std::vector<double>(11, 2e-4)},
    {"constant_with_warmup",
     {0.0, 6.666666666666667e-05, 0.00013333333333333334, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4}},
};

TEST(Schedule, GivesTransformersNumbers) {
  for (const auto& [name, expected] : kTransformers) {
    const Schedule schedule{parse_lr_scheduler(name), 2e-4, 3, 10};
    EXPECT_EQ(lr_scheduler_name(schedule.type), name);
    for (size_t step = 0; step < expected.size(); ++step)
      EXPECT_NEAR(schedule.at(static_cast<int64_t>(step)), expected[step], 1e-18) << name << " step " << step;
  }
}

TEST(Schedule, TheDecayOfWarmupStableDecayCanBeSet) {
  const std::vector<double> transformers{0.0,
                                         6.666666666666667e-05,
                                         0.00013333333333333334,
                                         0.0002,
                                         0.0002,
                                         0.0002,
                                         0.00018090169943749476,
                                         0.00013090169943749476,
                                         6.909830056250527e-05,
                                         1.9098300562505266e-05,
                                         0.0};  // num_decay_steps=5
  const Schedule schedule{LrScheduler::kWarmupStableDecay, 2e-4, 3, 10, 5};
  for (size_t step = 0; step < transformers.size(); ++step)
    EXPECT_NEAR(schedule.at(static_cast<int64_t>(step)), transformers[step], 1e-18) << "step " << step;
}

TEST(Schedule, WithoutWarmupItStartsAtThePeak) {
  EXPECT_EQ((Schedule{LrScheduler::kLinear, 1e-3, 0, 4}.at(0)), 1e-3);
  EXPECT_EQ((Schedule{LrScheduler::kCosine, 1e-3, 0, 4}.at(0)), 1e-3);
}

TEST(Schedule, AWarmupLongerThanTheRunStaysFinite) {
  for (const LrScheduler type :
       {LrScheduler::kLinear, LrScheduler::kCosine, LrScheduler::kConstantWithWarmup}) {
    const Schedule schedule{type, 1e-3, 10, 4};
    EXPECT_DOUBLE_EQ(schedule.at(3), 3e-4);
    EXPECT_GE(schedule.at(12), 0);
    EXPECT_LE(schedule.at(12), 1e-3);
  }
}

TEST(Schedule, AnUnknownNameIsRefusedWithTheKnownOnes) {
  try {
    parse_lr_scheduler("polynomial");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("constant_with_warmup"), std::string::npos);
  }
}

}  // namespace
}  // namespace lora
