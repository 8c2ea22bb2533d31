// Which questions are asked alone. That times come out and what they are of, tests/e2e holds.
#include "run/latency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace lora {
namespace {

TEST(Latency, QuestionsAreSpreadAndABeginningOfThemTooIs) {
  const std::vector<size_t> chosen = spread_over(100, 20);
  ASSERT_EQ(chosen.size(), 20u);
  EXPECT_EQ(std::set<size_t>(chosen.begin(), chosen.end()).size(), 20u) << "none twice";
  std::vector<size_t> half(chosen.begin(), chosen.begin() + 10);
  std::ranges::sort(half);
  EXPECT_EQ(half.front(), 0u);
  EXPECT_EQ(half.back(), 90u);
  for (size_t i = 1; i < half.size(); ++i) EXPECT_EQ(half[i] - half[i - 1], 10u);
}

TEST(Latency, FewQuestionsAreAllAsked) {
  std::vector<size_t> chosen = spread_over(3, 20);
  std::ranges::sort(chosen);
  EXPECT_EQ(chosen, (std::vector<size_t>{0, 1, 2}));
  EXPECT_TRUE(spread_over(0, 20).empty());
  EXPECT_TRUE(spread_over(5, 0).empty());
}

}  // namespace
}  // namespace lora
