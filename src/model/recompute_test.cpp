#include "model/recompute.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

TEST(Recompute, NamesGoBothWays) {
  for (const char* name : {"none", "cheap", "block", "cheap:12", "block:0", "block:1"}) {
    const auto named = recompute_named(name);
    ASSERT_TRUE(named) << name;
    EXPECT_EQ(recompute_name(*named), name);
  }
  for (const char* name : {"", "all", "cheap:", "cheap:-1", "cheap:x", "cheap:1x", "cheap: 1", "none:3", ":3",
                           "cheaper", "cheap:99999999999999999999"})
    EXPECT_FALSE(recompute_named(name)) << name;
}

TEST(Recompute, TheLevelBelowFollows) {
  EXPECT_EQ(Recompute::kBlock.of_layer(1000), RecomputeLevel::kBlock);
  const Recompute cheap{RecomputeLevel::kCheap, 2}, block{RecomputeLevel::kBlock, 1};
  EXPECT_EQ(cheap.of_layer(1), RecomputeLevel::kCheap);
  EXPECT_EQ(cheap.of_layer(2), RecomputeLevel::kNone);
  EXPECT_EQ(block.of_layer(0), RecomputeLevel::kBlock);
  EXPECT_EQ(block.of_layer(1), RecomputeLevel::kCheap);
}

}  // namespace
}  // namespace lora
