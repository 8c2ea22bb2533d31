// By hand; SciPy and statsmodels are asked in tests/parity/test_statistics.py.
#include "eval/score_statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace lora {
namespace {

TEST(PairedPermutation, CountsSignPatterns) {
  EXPECT_EQ(paired_permutation({}, 0).p, 1);
  EXPECT_EQ(paired_permutation(std::vector<double>{0, 0}, 0).p, 1);
  EXPECT_EQ(paired_permutation(std::vector<double>{0.5}, 0).p, 1);
  EXPECT_DOUBLE_EQ(paired_permutation(std::vector<double>{1, 1, 1, 1, 1, 1}, 0).p, 2.0 / 64) << "6-0 again";
  EXPECT_DOUBLE_EQ(paired_permutation(std::vector<double>{0.1, 0, 0.2, 0.4}, 0).p, 2.0 / 8);
  EXPECT_DOUBLE_EQ(paired_permutation(std::vector<double>{1, -1}, 0).p, 1);
  // 0.1 + 0.2 + 0.3 and 0.3 + 0.3 differ in the last bit: such sums are equal.
  EXPECT_DOUBLE_EQ(paired_permutation(std::vector<double>{0.1, 0.2, -0.3, 0.6}, 0).p,
                   paired_permutation(std::vector<double>{1, 2, -3, 6}, 0).p);
  EXPECT_TRUE(paired_permutation(std::vector<double>(32, 0.5), 0).exact);
  const PermutationTest many = paired_permutation(std::vector<double>(33, 0.5), 0);
  EXPECT_FALSE(many.exact);
  EXPECT_DOUBLE_EQ(many.p, 1e-5) << "the observed pattern is always among those counted";
}

TEST(PairedPermutation, RepeatsWithItsSeed) {
  Random random(1);
  std::vector<double> d;
  for (int i = 0; i < 50; ++i) d.push_back(random.uniform() - 0.45);
  EXPECT_EQ(paired_permutation(d, 3).p, paired_permutation(d, 3).p);
  EXPECT_NEAR(paired_permutation(d, 3).p, paired_permutation(d, 4).p, 0.01);
}

TEST(Bootstrap, IsTheSameForTheSameSeed) {
  const std::vector<double> values{0.1, 0.9, 0.4, 0.4, 0.7};
  EXPECT_EQ(resample_means(values, 1), resample_means(values, 1));
  EXPECT_NE(resample_means(values, 1), resample_means(values, 2));
  EXPECT_EQ(resample_means(values, 1).size(), kResamples);
  const Interval interval = mean_interval(values, 0, 1, 0);
  EXPECT_GT(interval.low, 0.1);
  EXPECT_LT(interval.low, 0.5);
  EXPECT_GT(interval.high, 0.5);
  EXPECT_LT(interval.high, 0.9);
}

TEST(Bootstrap, EqualValuesAreNotCertainty) {
  const Interval ones = mean_interval(std::vector<double>(20, 1.0), 0, 1, 0);
  EXPECT_EQ(ones.high, 1);
  EXPECT_NEAR(ones.low, 1 - wilson_interval(0, 20).high, 1e-12);
  const Interval none = mean_interval(std::vector<double>(20, 0.0), -1, 1, 0);
  EXPECT_LT(none.low, -0.1);
  EXPECT_GT(none.high, 0.1);
  EXPECT_EQ(mean_interval({}, 0, 1, 0).high, 1);
  const Interval point = bca_interval(std::vector<double>{0.5, 0.5}, {0.5, 0.5});
  EXPECT_EQ(point.low, 0.5);
  EXPECT_EQ(point.high, 0.5);
}

TEST(Bootstrap, AlmostEqualValuesAreNotCertaintyEither) {
  std::vector<double> values(20, 0.0);
  values[3] = -1e-6;
  const double unseen = wilson_interval(0, 20).high;
  const Interval one = mean_interval(values, -1, 1, 0);
  EXPECT_NEAR(one.low, -unseen, 1e-6);
  EXPECT_NEAR(one.high, unseen, 1e-6);
  for (size_t i = 0; i < 20; ++i) values[i] = -1e-6 * static_cast<double>(i);
  EXPECT_GT(mean_interval(values, -1, 1, 0).high, 0.1) << "all differ, by nothing that counts";
  for (size_t i = 0; i < 20; ++i) values[i] = i < 4 ? 0.5 : 1;
  EXPECT_NEAR(mean_interval(values, 0, 1, 0).low, 0.9 * (1 - unseen), 1e-9);
  values[4] = 0.5;  // five that differ: the bootstrap's own
  const Interval five = mean_interval(values, 0, 1, 0);
  const Interval resampled = bca_interval(values, resample_means(values, 0));
  EXPECT_EQ(five.low, resampled.low);
  EXPECT_EQ(five.high, resampled.high);
}

TEST(Bootstrap, CoversTheTrueMean) {
  Random random(7);
  int covered = 0;
  for (int run = 0; run < 300; ++run) {
    std::vector<double> values;
    for (int i = 0; i < 40; ++i) values.push_back(std::pow(random.uniform(), 2));  // mean 1/3
    const Interval interval = bca_interval(values, resample_means(values, static_cast<uint64_t>(run), 1000));
    covered += interval.low <= 1.0 / 3 && 1.0 / 3 <= interval.high;
  }
  EXPECT_GE(covered, 270);
  EXPECT_LE(covered, 297);
}

TEST(SmallestDetectableMean, FollowsTheSpread) {
  EXPECT_FALSE(smallest_detectable_mean(1, 0.2));
  EXPECT_FALSE(smallest_detectable_mean(20, 0));
  EXPECT_FALSE(smallest_detectable_mean(20, NAN));
  const double twenty = *smallest_detectable_mean(20, 0.2), eighty = *smallest_detectable_mean(80, 0.2);
  EXPECT_NEAR(twenty, 0.2 * 0.66, 0.01);
  EXPECT_NEAR(twenty / eighty, 2, 0.1);
  EXPECT_NEAR(*smallest_detectable_mean(20, 0.4), 2 * twenty, 1e-12);
}

}  // namespace
}  // namespace lora
