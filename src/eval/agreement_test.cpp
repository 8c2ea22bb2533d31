#include "eval/agreement.h"

#include <gtest/gtest.h>

#include <vector>

namespace lora {
namespace {

// Choices of two judges from a table of counts.
std::pair<std::vector<size_t>, std::vector<size_t>> choices(const std::vector<std::vector<size_t>>& table) {
  std::vector<size_t> a, b;
  for (size_t i = 0; i < table.size(); ++i)
    for (size_t j = 0; j < table.size(); ++j)
      for (size_t k = 0; k < table[i][j]; ++k) a.push_back(i), b.push_back(j);
  return {a, b};
}

TEST(Agreement, KappaOfAKnownTable) {
  // 50 grants judged by two readers: 20 both yes, 15 both no; observed 0.7, by chance 0.5 (Wikipedia's example).
  const auto [a, b] = choices({{20, 5}, {10, 15}});
  const Agreement agreement = cohen_kappa(a, b, 2);
  EXPECT_EQ(agreement.n, 50u);
  EXPECT_EQ(agreement.equal, 35u);
  EXPECT_DOUBLE_EQ(agreement.share, 0.7);
  ASSERT_TRUE(agreement.kappa);
  EXPECT_NEAR(*agreement.kappa, 0.4, 1e-12);
  EXPECT_LT(agreement.interval->low, 0.4);
  EXPECT_GT(agreement.interval->high, 0.4);
}

TEST(Agreement, TheEnds) {
  const auto [same, same_too] = choices({{4, 0, 0}, {0, 3, 0}, {0, 0, 2}});
  EXPECT_NEAR(*cohen_kappa(same, same_too, 3).kappa, 1, 1e-12);
  const auto [against, other] = choices({{0, 5}, {5, 0}});
  EXPECT_NEAR(*cohen_kappa(against, other, 2).kappa, -1, 1e-12);
  const auto [one, one_too] = choices({{9, 0}, {0, 0}});
  EXPECT_FALSE(cohen_kappa(one, one_too, 2).kappa) << "both always choose the first: agreement says nothing";
  EXPECT_FALSE(cohen_kappa({}, {}, 3).kappa);
  const auto [constant, mixed] = choices({{4, 4}, {0, 0}});
  EXPECT_NEAR(*cohen_kappa(constant, mixed, 2).kappa, 0, 1e-12);
}

}  // namespace
}  // namespace lora
