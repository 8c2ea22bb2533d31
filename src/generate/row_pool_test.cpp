#include "generate/row_pool.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace lora {
namespace {

TEST(RowPool, GivesRowsAgainAndGrowsOnlyWhenItMust) {
  RowPool pool;
  EXPECT_EQ(pool.take(10), 0);
  EXPECT_EQ(pool.take(5), 10);
  pool.give_back(0, 10);
  EXPECT_EQ(pool.take(4), 0);
  EXPECT_EQ(pool.take(6), 4);
  EXPECT_EQ(pool.capacity(), 15);
  pool.give_back(10, 5);
  EXPECT_EQ(pool.take(8), 10) << "the free end is used when it grows";
  EXPECT_EQ(pool.capacity(), 18);
}

TEST(RowPool, NoRowBelongsToTwo) {
  RowPool pool;
  Random random(3, 4);
  struct Run {
    int64_t first, count;
  };
  std::vector<Run> taken;
  std::vector<bool> used;
  for (int round = 0; round < 5000; ++round) {
    if (taken.empty() || random.below(2) == 0) {
      const auto count = static_cast<int64_t>(1 + random.below(20));
      const int64_t first = pool.take(count);
      ASSERT_LE(first + count, pool.capacity());
      used.resize(static_cast<size_t>(pool.capacity()));
      for (int64_t i = first; i < first + count; ++i) {
        ASSERT_FALSE(used[static_cast<size_t>(i)]);
        used[static_cast<size_t>(i)] = true;
      }
      taken.push_back({first, count});
    } else {
      const size_t i = random.below(taken.size());
      for (int64_t r = 0; r < taken[i].count; ++r) used[static_cast<size_t>(taken[i].first + r)] = false;
      pool.give_back(taken[i].first, taken[i].count);
      taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  for (const Run& run : taken) pool.give_back(run.first, run.count);
  const int64_t all = pool.capacity();
  EXPECT_EQ(pool.take(all), 0) << "what is given back grows together again";
  EXPECT_EQ(pool.capacity(), all);
}

}  // namespace
}  // namespace lora
