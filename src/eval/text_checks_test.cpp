#include <gtest/gtest.h>

#include "eval/check_testing.h"

namespace lora {
namespace {

using testing::judge;
using testing::passes;

TEST(RegexCheck, MatchesAnywhereOrWhole) {
  EXPECT_TRUE(passes("type = 'regex'\npattern = '\\d+'", "room 12"));
  EXPECT_FALSE(passes("type = 'regex'\npattern = '\\d+'\nwhole = true", "room 12"));
  EXPECT_TRUE(passes("type = 'regex'\npattern = '\\d+'\nwhole = true", " 12\n"));
  EXPECT_FALSE(passes("type = 'regex'\npattern = 'a|ab'\nwhole = true", "abc"));
  EXPECT_TRUE(passes("type = 'regex'\npattern = 'a|ab'\nwhole = true", "ab")) << "every alternative is tried";
  EXPECT_FALSE(passes("type = 'regex'\npattern = 'yes'", "YES"));
  EXPECT_TRUE(passes("type = 'regex'\npattern = 'straße'\nignore_case = true", "STRAßE"));
  EXPECT_TRUE(passes("type = 'regex'\npattern = '^b$'\nmultiline = true", "a\nb\nc"));
  EXPECT_FALSE(passes("type = 'regex'\npattern = '^b$'", "a\nb\nc"));
  EXPECT_TRUE(passes("type = 'regex'\npattern = 'a.b'\ndot_all = true", "a\nb"));
  EXPECT_TRUE(passes("type = 'regex'\npattern = '^.$'", "é")) << "characters, not bytes";
  EXPECT_TRUE(passes("type = 'regex'\npattern = 'x'\nmatch = false", "abc"));
  EXPECT_FALSE(passes("type = 'regex'\npattern = 'x'\nmatch = false", "axc"));
}

TEST(RegexCheck, AHostileAnswerEndsAndFailsEitherWay) {
  const std::string answer(50000, 'a');
  for (const char* wanted : {"true", "false"}) {
    const CheckResult result =
        judge(std::string("type = 'regex'\npattern = '^(a+)+$'\nmatch = ") + wanted, answer + "!");
    EXPECT_FALSE(result.passed) << wanted;
    EXPECT_NE(result.why.find("too many steps"), std::string::npos);
  }
  EXPECT_FALSE(passes("type = 'regex'\npattern = '(?:(?:a|b|ab)*)*c'", std::string(3000, 'a')));
  EXPECT_FALSE(passes("type = 'regex'\npattern = '^.$'", "\xFF")) << "no character";
  EXPECT_FALSE(passes("type = 'regex'\npattern = 'é'", "\xC3"));
  EXPECT_TRUE(passes("type = 'regex'\npattern = 'b'", std::string("a\0b", 3)));
}

TEST(Contains, AllOrAnyPartsOrWords) {
  EXPECT_TRUE(passes("type = 'contains'\ntext = ['red', 'blue']", "blue and red"));
  EXPECT_FALSE(passes("type = 'contains'\ntext = ['red', 'blue']", "red"));
  EXPECT_TRUE(passes("type = 'contains'\ntext = ['red', 'blue']\nany = true", "red"));
  EXPECT_FALSE(passes("type = 'contains'\ntext = ['red', 'blue']\nany = true", "green"));
  EXPECT_FALSE(passes("type = 'contains'\ntext = 'Red'", "red"));
  EXPECT_TRUE(passes("type = 'contains'\ntext = 'Ünder'\nignore_case = true", "üNDER"));
  EXPECT_TRUE(passes("type = 'contains'\ntext = 'cat'", "concatenate"));
  EXPECT_FALSE(passes("type = 'contains'\ntext = 'cat'\nwords = true", "concatenate"));
  EXPECT_TRUE(passes("type = 'contains'\ntext = 'cat'\nwords = true", "a cat."));
  EXPECT_EQ(judge("type = 'contains'\ntext = ['red', 'blue']", "").why, "does not contain \"red\", \"blue\"");
  EXPECT_TRUE(passes("type = 'lacks'\ntext = ['sorry', 'as an AI']", "Sure."));
  EXPECT_FALSE(passes("type = 'lacks'\ntext = 'sorry'\nignore_case = true", "Sorry!"));
  EXPECT_TRUE(passes("type = 'lacks'\ntext = 'sorry'", ""));
}

TEST(Length, WordsCharactersLinesBullets) {
  EXPECT_TRUE(passes("type = 'length'\nmax = 3", " one two three \n"));
  EXPECT_FALSE(passes("type = 'length'\nmax = 3", "one two three four"));
  EXPECT_FALSE(passes("type = 'length'\nmin = 1", " \n"));
  EXPECT_TRUE(passes("type = 'length'\nunit = 'characters'\nexactly = 3", "é日x"));
  EXPECT_FALSE(passes("type = 'length'\nunit = 'characters'\nexactly = 3", "é日"));
  EXPECT_TRUE(passes("type = 'lines'\nexactly = 2", "a\n\nb\n")) << "empty lines do not count";
  EXPECT_TRUE(passes("type = 'lines'\nexactly = 2", "a\r\nb"));
  EXPECT_FALSE(passes("type = 'lines'\nmin = 3\nmax = 4", "a\nb"));
  EXPECT_TRUE(passes("type = 'bullets'\nexactly = 3", "Here:\n- a\n * b\n3. c\n"));
  EXPECT_FALSE(passes("type = 'bullets'\nexactly = 3\nonly = true", "Here:\n- a\n * b\n3. c\n"));
  EXPECT_TRUE(passes("type = 'bullets'\nexactly = 2\nonly = true", "- a\n\n- b"));
  EXPECT_FALSE(passes("type = 'bullets'\nmin = 1", "-a\n**bold**\n1.5 m\n12\n"));
  EXPECT_EQ(judge("type = 'length'\nexactly = 2", "one").why, "1 words, not 2");
}

TEST(Ends, StartsWithAndEndsWith) {
  EXPECT_TRUE(passes("type = 'starts_with'\ntext = ['Yes', 'No']", " No, never"));
  EXPECT_FALSE(passes("type = 'starts_with'\ntext = ['Yes', 'No']", "Well, no"));
  EXPECT_TRUE(passes("type = 'starts_with'\ntext = 'yes'\nignore_case = true", "YES"));
  EXPECT_TRUE(passes("type = 'ends_with'\ntext = '.'", "Done.\n"));
  EXPECT_FALSE(passes("type = 'ends_with'\ntext = '.'", "Done"));
  EXPECT_FALSE(passes("type = 'ends_with'\ntext = 'a longer end than the answer'", "end"));
}

TEST(LanguageCheck, ToldByTheText) {
  const std::string german = "Das ist ein schöner Tag, und wir gehen mit den Kindern in den Wald.";
  EXPECT_TRUE(passes("type = 'language'\nlanguage = 'German'", german));
  EXPECT_TRUE(passes("type = 'language'\nlanguage = 'german'", german));
  EXPECT_FALSE(passes("type = 'language'\nlanguage = 'French'", german));
  EXPECT_FALSE(passes("type = 'language'\nlanguage = 'German'", "12345"))
      << "what cannot be told does not pass";
  EXPECT_FALSE(passes("type = 'language'\nlanguage = 'German'", ""));
}

}  // namespace
}  // namespace lora
