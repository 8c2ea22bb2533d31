#include "data/word_difference.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace lora {
namespace {

using Words = std::vector<uint32_t>;
using Hunks = std::vector<Hunk>;

TEST(WordDifference, NamesWhatStandsInPlaceOfWhat) {
  EXPECT_EQ(word_difference(Words{1, 2, 3}, Words{1, 2, 3}), Hunks{});
  EXPECT_EQ(word_difference(Words{1, 2, 3}, Words{1, 9, 3}), (Hunks{{1, 2, 1, 2}}));
  EXPECT_EQ(word_difference(Words{1, 3}, Words{1, 2, 3}), (Hunks{{1, 1, 1, 2}}));
  EXPECT_EQ(word_difference(Words{1, 2, 3}, Words{1, 3}), (Hunks{{1, 2, 1, 1}}));
  EXPECT_EQ(word_difference(Words{1, 2, 3, 4, 5}, Words{8, 2, 3, 4, 9}), (Hunks{{0, 1, 0, 1}, {4, 5, 4, 5}}));
  EXPECT_EQ(word_difference(Words{}, Words{1}), (Hunks{{0, 0, 0, 1}}));
  EXPECT_EQ(word_difference(Words{}, Words{}), Hunks{});
}

TEST(WordDifference, MakesTheOneIntoTheOther) {
  Random random(1);
  for (int round = 0; round < 500; ++round) {
    Words a(random.below(30)), b(random.below(30));
    for (uint32_t& word : a) word = static_cast<uint32_t>(random.below(5));
    for (uint32_t& word : b) word = static_cast<uint32_t>(random.below(5));
    Words made;
    size_t at = 0;
    for (const Hunk& hunk : word_difference(a, b)) {
      made.insert(made.end(), a.begin() + static_cast<ptrdiff_t>(at),
                  a.begin() + static_cast<ptrdiff_t>(hunk.a_begin));
      made.insert(made.end(), b.begin() + static_cast<ptrdiff_t>(hunk.b_begin),
                  b.begin() + static_cast<ptrdiff_t>(hunk.b_end));
      at = hunk.a_end;
    }
    made.insert(made.end(), a.begin() + static_cast<ptrdiff_t>(at), a.end());
    ASSERT_EQ(made, b);
  }
}

TEST(WordDifference, StaysBoundedOnLongTexts) {
  Words a(200'000, 1), b(200'000, 2);
  a.front() = b.front() = 7;
  EXPECT_EQ(word_difference(a, b), (Hunks{{1, 200'000, 1, 200'000}}));
}

}  // namespace
}  // namespace lora
