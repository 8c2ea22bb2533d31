#include "data/words.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

using Words = std::vector<std::string>;

TEST(Words, FoldsCasePunctuationAndWhiteSpace) {
  EXPECT_EQ(words_of("  “Hello,\tWORLD!”\n"), (Words{"hello", "world"}));
  EXPECT_EQ(words_of("ÉCOLE Straße ПРИМЕР Ёж ΛΌΓΟΣ Ċ"),
            (Words{"école", "strasse", "пример", "ёж", "λΌγοσ", "ċ"}));
  EXPECT_EQ(words_of("don't don’t 'quoted'"), (Words{"dont", "dont", "quoted"}));
  EXPECT_EQ(words_of("well-known e-mail and/or snake_case"),
            (Words{"well", "known", "e", "mail", "and", "or", "snake_case"}));
  EXPECT_TRUE(words_of(" .,;:!?()[]\"…– ").empty());
  EXPECT_TRUE(words_of("").empty());
}

TEST(Words, KeepsWhatCarriesMeaning) {
  EXPECT_EQ(words_of("12 + 7"), (Words{"12", "+", "7"}));
  EXPECT_EQ(words_of("12 - 7"), (Words{"12", "-", "7"}));
  EXPECT_NE(words_of("12 - 7"), words_of("12 7"));
  EXPECT_EQ(words_of("is -3 right"), (Words{"is", "-", "3", "right"}));
  EXPECT_EQ(words_of("3.14, 1,000."), (Words{"3.14", "1,000"}));
  EXPECT_EQ(words_of("C++ or C#?"), (Words{"c", "+", "+", "or", "c", "#"}));
  EXPECT_EQ(words_of("a 😀 b 😂"), (Words{"a", "😀", "b", "😂"}));
  EXPECT_EQ(words_of("日本語"), (Words{"日", "本", "語"}));
}

TEST(Words, LeavesOutMarkup) {
  EXPECT_EQ(words_of("- one\n* two\n# three\n> four"), (Words{"one", "two", "three", "four"}));
  EXPECT_EQ(words_of("**bold** text"), (Words{"bold", "text"}));
}

TEST(Words, SurvivesAnyBytes) {
  std::string bytes;
  for (int i = 0; i < 512; ++i) bytes += static_cast<char>(i * 37);
  EXPECT_NO_THROW(words_of(bytes));
}

TEST(Words, HashesFollowTheWords) {
  std::vector<uint32_t> a, b;
  append_word_hashes("Order 17, please!", a);
  append_word_hashes("order  17 PLEASE", b);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.size(), 3u);
  EXPECT_FALSE(has_digit(a[0]));
  EXPECT_TRUE(has_digit(a[1]));
  EXPECT_EQ(words_hash("Who is it?"), words_hash("who is  it"));
  EXPECT_NE(words_hash("who is it"), words_hash("who it is"));
  EXPECT_NE(words_hash("?"), words_hash("!")) << "without words the bytes count";
  EXPECT_NE(words_hash("a", 1), words_hash("a", 2));
}

TEST(Words, OffsetsPointAtTheWords) {
  const std::string text = "Ünder the-sea 42";
  for_each_word(text, [&](std::string_view word, size_t offset) {
    EXPECT_EQ(text.substr(offset, word.size()), word == "ünder" ? "Ünder" : word);
  });
}

}  // namespace
}  // namespace lora
