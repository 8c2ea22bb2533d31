#include "data/plain_text.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

TEST(PlainText, FoldsLettersOfManyScripts) {
  EXPECT_EQ(folded_text("ÀÉÎÕÜ ŁÓDŹ ŽIŽKA"), "àéîõü łódź žižka");
  EXPECT_EQ(folded_text("ПРИВЕТ Ё ΑΒΓ ÿ ß × 東京"), "привет ё αβγ ÿ ß × 東京");
  EXPECT_EQ(folded_text("a\xFF b"), "a\xFF b");  // ill-formed bytes stay
}

TEST(PlainText, FindsWholeWordsOnly) {
  EXPECT_TRUE(contains_word("say yes or no", "no"));
  EXPECT_FALSE(contains_word("nothing is known", "no"));
  EXPECT_FALSE(contains_word("señor", "or"));
  EXPECT_TRUE(contains_word("answer: n/a.", "n/a"));
  EXPECT_TRUE(contains_word("これは日本語です", "日本語"));
  EXPECT_FALSE(contains_word("", "x"));
  EXPECT_FALSE(contains_word("x", ""));
}

TEST(PlainText, CountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("positive", "positve", 3), 1u);
  EXPECT_EQ(edit_distance("medium", "meduim", 3), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting", 9), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting", 2), 2u);
  EXPECT_EQ(edit_distance("", "abc", 9), 3u);
}

TEST(PlainText, TrimsAndCuts) {
  EXPECT_EQ(trimmed_text(" \t\xC2\xA0 a b \xE3\x80\x80\n"), "a b");
  EXPECT_EQ(trimmed_text("  "), "");
  EXPECT_EQ(first_characters("äöü", 3), "äöü");
  EXPECT_EQ(first_characters("äöüx", 3), "äöü…");
  EXPECT_EQ(character_count("日本語"), 3u);
  EXPECT_EQ(lines_of("a\r\nb\n\nc").size(), 4u);
}

}  // namespace
}  // namespace lora
