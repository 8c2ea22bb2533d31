#include "data/label_counts.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

LabelCounts counted(const std::vector<std::pair<std::string, int>>& labels) {
  LabelCounts counts;
  uint32_t n = 0;
  for (const auto& [label, times] : labels)
    for (int i = 0; i < times; ++i) counts.add(label, n++);
  return counts;
}

TEST(LabelCounts, NamesSlips) {
  const LabelCounts counts =
      counted({{"Positive", 120}, {"Negative", 80}, {"Positve", 1}, {"positive", 2}, {"negative.", 1}});
  const auto slips = counts.slips();
  ASSERT_EQ(slips.size(), 3u);
  const auto& labels = counts.labels();
  EXPECT_EQ(labels[slips[0].label].text, "Positve");
  EXPECT_EQ(labels[slips[0].meant].text, "Positive");
  EXPECT_TRUE(slips[0].spelling);
  EXPECT_EQ(labels[slips[1].label].text, "positive");
  EXPECT_FALSE(slips[1].spelling);
  EXPECT_EQ(labels[slips[2].meant].text, "Negative");
}

TEST(LabelCounts, LabelsThatAreAlikeByNatureAreNoSlips) {
  EXPECT_TRUE(counted({{"level 1", 60}, {"level 2", 60}, {"level 3", 2}}).slips().empty());
  EXPECT_TRUE(counted({{"hot", 60}, {"not", 3}, {"A", 40}, {"B", 2}}).slips().empty());
  EXPECT_TRUE(counted({{"positive", 60}, {"negative", 4}}).slips().empty());
}

TEST(LabelCounts, AnOpenSetIsForgotten) {
  LabelCounts counts;
  for (uint32_t i = 0; i < 500; ++i) counts.add("name " + std::to_string(i), i);
  EXPECT_FALSE(counts.is_closed());
  EXPECT_TRUE(counts.labels().empty());
  EXPECT_EQ(counts.total(), 500u);
  EXPECT_TRUE(counts.slips().empty());
}

TEST(LabelCounts, StrangersOnlyWhereEveryOtherLabelIsCommon) {
  EXPECT_EQ(counted({{"a few", 50}, {"many", 50}, {"whatever", 1}}).strangers(), std::vector<size_t>{2});
  const LabelCounts odd = counted({{"yes", 50}, {"no", 50}, {"true", 1}, {"x", 1}, {"why", 1}});
  EXPECT_TRUE(odd.strangers().empty()) << "as many odd ones as labels";
  EXPECT_EQ(odd.strangers(true).size(), 3u);
  const auto slips = counted({{"urgent", 60}, {"routine", 50}, {"Label: urgent", 1}}).slips();
  ASSERT_EQ(slips.size(), 1u);
  EXPECT_EQ(slips[0].meant, 0u);
  EXPECT_TRUE(
      counted({{"one", 80}, {"two", 30}, {"three", 3}, {"four", 3}, {"five", 1}}).strangers().empty());
}

}  // namespace
}  // namespace lora
