#include "text/pattern.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/vocabulary.h"

namespace lora {
namespace {

std::vector<std::string> words(const Pattern& pattern, std::string_view text) {
  std::vector<std::string> out;
  for (const ByteRange& r : pattern.find_all(text)) out.emplace_back(text.substr(r.begin, r.end - r.begin));
  return out;
}
using Words = std::vector<std::string>;

TEST(Pattern, Gpt2Words) {
  const Pattern gpt2(kGpt2Pattern, "gpt2");
  EXPECT_EQ(words(gpt2, "I'll see  3 dogs!\n\n ok"),
            (Words{"I", "'ll", " see", " ", " 3", " dogs", "!", "\n\n", " ok"}));
  EXPECT_TRUE(gpt2.find_all("").empty());
}

TEST(Pattern, LettersAndSpacesOfUnicode16) {
  const Pattern letters(R"(\p{L}+)", "letters");
  EXPECT_EQ(words(letters, "a\u1C89b"), (Words{"a\u1C89b"}));          // a letter since Unicode 16
  EXPECT_EQ(words(letters, "a\U00010D4Ab"), (Words{"a\U00010D4Ab"}));  // Garay, since Unicode 16
  EXPECT_EQ(words(Pattern(R"(\s+)", "s"), "a\u180E \u00A0"), (Words{" \u00A0"}));  // U+180E is no white space
  EXPECT_EQ(words(Pattern(R"(\S+)", "s"), "a\u180E b"), (Words{"a\u180E", "b"}));
}

TEST(Pattern, BytesThatAreNotUtf8NeverMatch) {
  EXPECT_EQ(words(Pattern(".", "dot"),
                  "a\xFF"
                  "b\xC3"),
            (Words{"a", "b"}));
}

TEST(Pattern, LiteralIsTakenLiterally) {
  EXPECT_EQ(words(Pattern::from_literal("a.b|(", "l"), "axb a.b|("), (Words{"a.b|("}));
}

TEST(Pattern, RunawayEnds) {
  const Pattern runaway("(a|aa)+$", "runaway");
  EXPECT_THROW(runaway.find_all(std::string(4000, 'a') + "b"), Error);
}

TEST(Pattern, WhatTheEnginesReadDifferentlyIsRefused) {
  for (const char* expression :
       {R"(\w+)", R"(\d)", R"([\S])", "[[:alpha:]]", R"([a-z&&[^b]])", R"(\bword)", "(", R"(\C)"})
    EXPECT_THROW(Pattern(expression, "p"), Error) << expression;
}

}  // namespace
}  // namespace lora
