// A few values from SciPy 1.x and from the papers; hundreds more are held against SciPy by
// tests/parity/test_statistics.py.
#include "eval/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lora {
namespace {

TEST(Statistics, NormalQuantile) {
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(normal_quantile(0.025), -1.959963984540054, 1e-12);
  EXPECT_NEAR(normal_quantile(0.5), 0, 1e-12);
}

TEST(Statistics, WilsonInterval) {
  // scipy.stats.binomtest(45, 50).proportion_ci(method="wilson")
  EXPECT_NEAR(wilson_interval(45, 50).low, 0.7863976856, 1e-9);
  EXPECT_NEAR(wilson_interval(45, 50).high, 0.9565242351, 1e-9);
  EXPECT_EQ(wilson_interval(0, 20).low, 0);
  EXPECT_EQ(wilson_interval(20, 20).high, 1);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

TEST(Statistics, ClopperPearsonInterval) {
  EXPECT_EQ(clopper_pearson_interval(0, 10).low, 0);
  EXPECT_NEAR(clopper_pearson_interval(0, 10).high, 1 - std::pow(0.025, 0.1), 1e-12);  // closed form
  EXPECT_NEAR(clopper_pearson_interval(10, 10).low, std::pow(0.025, 0.1), 1e-12);
  EXPECT_EQ(clopper_pearson_interval(10, 10).high, 1);
}

TEST(Statistics, McNemarKnowsTheThresholds) {
  // Splits that are significant at 0.05, and their neighbours of the same size that are not.
  for (auto [wins, losses] : {std::pair{6, 0}, {8, 1}, {10, 2}, {15, 5}, {33, 17}}) {
    EXPECT_LE(mcnemar_exact_p(wins, losses), 0.05) << wins << ":" << losses;
    EXPECT_EQ(mcnemar_exact_p(wins, losses), mcnemar_exact_p(losses, wins));
    EXPECT_GT(mcnemar_exact_p(wins - 1, losses + 1), 0.05);
  }
  EXPECT_NEAR(mcnemar_exact_p(6, 0), 2.0 / 64, 1e-15);
  EXPECT_EQ(mcnemar_exact_p(0, 0), 1);
  EXPECT_EQ(mcnemar_exact_p(7, 7), 1);
  EXPECT_LT(mcnemar_exact_p(5000, 0), 1e-300);
}

TEST(Statistics, PairedDifferenceInterval) {
  // Newcombe 1998, table II, and the paired table of Fagerland, Lydersen and Laake 2014 (square-and-add).
  EXPECT_NEAR(paired_difference_interval(36, 12, 2, 0).low, 0.0569, 5e-5);
  EXPECT_NEAR(paired_difference_interval(36, 12, 2, 0).high, 0.3404, 5e-5);
  EXPECT_NEAR(paired_difference_interval(1, 1, 7, 12).low, -0.507, 5e-4);
  EXPECT_NEAR(paired_difference_interval(1, 1, 7, 12).high, -0.026, 5e-4);
  const Interval even = paired_difference_interval(10, 5, 5, 10);
  EXPECT_NEAR(even.low, -even.high, 1e-12);
  const Interval all = paired_difference_interval(0, 20, 0, 0);
  EXPECT_EQ(all.high, 1);
  EXPECT_GT(all.low, 0.6);
  const Interval none = paired_difference_interval(0, 0, 0, 0);
  EXPECT_EQ(none.low, -1);
  EXPECT_EQ(none.high, 1);
}

TEST(Statistics, SmallestDetectable) {
  EXPECT_EQ(fewest_one_sided_pairs(0.05), 6u);
  EXPECT_EQ(fewest_one_sided_pairs(0.01), 8u);
  EXPECT_FALSE(smallest_detectable(5));
  EXPECT_NEAR(*smallest_detectable(6), std::pow(0.8, 1.0 / 6), 1e-12);  // all six must go that way
  EXPECT_GT(*smallest_detectable(20), *smallest_detectable(50));
  // By its definition: with that difference the power is 0.8.
  const double d = *smallest_detectable(50);
  double below = 0, term = std::pow(1 - d, 50);
  for (int k = 0; k < 6; ++k) {
    below += term;
    term *= (50 - k) / (k + 1.0) * d / (1 - d);
  }
  EXPECT_NEAR(1 - below, 0.8, 1e-9);
}

TEST(Statistics, Holm) {
  const std::vector<double> adjusted = holm(std::vector{0.01, 0.04, 0.03, 0.005});
  EXPECT_NEAR(adjusted[0], 0.03, 1e-15);
  EXPECT_NEAR(adjusted[1], 0.06, 1e-15);
  EXPECT_NEAR(adjusted[2], 0.06, 1e-15);
  EXPECT_NEAR(adjusted[3], 0.02, 1e-15);
  EXPECT_TRUE(holm({}).empty());
  EXPECT_EQ(holm(std::vector{0.9, 0.8})[1], 1);
}

TEST(Statistics, HolmLevels) {
  using Levels = std::vector<double>;
  EXPECT_EQ(holm_levels(std::vector{0.04}, 0.05), (Levels{0.05}));
  EXPECT_EQ(holm_levels(std::vector{0.03, 0.03}, 0.05), (Levels{0.025, 0.025})) << "not rejected";
  EXPECT_EQ(holm_levels(std::vector{0.04, 0.01}, 0.05), (Levels{0.05, 0.025}));
  EXPECT_EQ(holm_levels(std::vector{0.9, 0.125, 0.375}, 0.75), (Levels{0.75, 0.25, 0.375}));
  EXPECT_TRUE(holm_levels({}, 0.05).empty());
}

}  // namespace
}  // namespace lora
