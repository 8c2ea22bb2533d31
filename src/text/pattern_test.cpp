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

TEST(Pattern, LinesAndClassesOfOniguruma) {
  EXPECT_EQ(words(Pattern("^a", "p"), "a\na\n"), (Words{"a", "a"}));
  EXPECT_EQ(words(Pattern(R"(\w+)", "w"), "a_1\u00BD \u0301-"), (Words{"a_1\u00BD", "\u0301"}));
  EXPECT_EQ(words(Pattern(R"([\w]+)", "w"), "a\u00BD"), (Words{"a"}));
  EXPECT_EQ(words(Pattern(R"(\d)", "d"), "1\u0661\u00B2"), (Words{"1", "\u0661"}));
  EXPECT_EQ(words(Pattern(R"(\x41|\u0042|x{y})", "x"), "ABx{y}"), (Words{"A", "B", "x{y}"}));
}

TEST(Pattern, EmptyMatches) {
  const Pattern before_capital(R"((?=\p{Lu}))", "p");
  EXPECT_EQ(before_capital.find_all("aBcD", EmptyMatches::kKept), (std::vector<ByteRange>{{1, 1}, {3, 3}}));
  EXPECT_TRUE(before_capital.find_all("aBcD").empty());
  // An empty match right after a match does not count.
  EXPECT_EQ(Pattern("a*", "p").find_all("aab", EmptyMatches::kKept),
            (std::vector<ByteRange>{{0, 2}, {3, 3}}));
  EXPECT_TRUE(Pattern("a*", "p").find_all("", EmptyMatches::kKept).empty());
}

TEST(Pattern, RunawayEnds) {
  const Pattern runaway("(a|aa)+$", "runaway");
  EXPECT_THROW(runaway.find_all(std::string(4000, 'a') + "b"), Error);
}

TEST(Pattern, WhatTheEnginesReadDifferentlyIsRefused) {
  for (const char* expression : {R"([\S])", "[[:alpha:]]", R"([a-z&&[^b]])", R"(\bword)", "(", R"(\C)",
                                 R"(\p{Han})", R"(\p{Script=Greek})", "a{1,2}+", "a{,2}", "a(?i)b", "(?s).",
                                 "(?i:ss)", R"(\xFF)", "(*UTF)a", R"(\h)"})
    EXPECT_THROW(Pattern(expression, "p"), Error) << expression;
}

}  // namespace
}  // namespace lora
