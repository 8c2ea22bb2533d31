// Each kind of instruction with an answer that follows it and one that does not. tests/parity/test_checks.py holds them
// against the benchmark's own checkers on thousands of answers.
#include "eval/ifeval_counts.h"

#include <gtest/gtest.h>

#include <set>

#include "eval/check_testing.h"
#include "eval/check_types.h"

namespace lora {
namespace {

using testing::judge;
using testing::passes;
using testing::passes_loose;

struct Case {
  const char *keys, *follows, *fails;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"type = 'keywords:existence'\nkeywords = ['Tea', 'cup']", "a CUP of tea", "a glass of tea"},
      {"type = 'keywords:frequency'\nkeyword = 'no'\nfrequency = 2", "no, No", "no"},
      {"type = 'keywords:forbidden_words'\nforbidden_words = ['bad']", "a badge", "that is BAD."},
      {"type = 'keywords:letter_frequency'\nletter = 'Q'\nlet_frequency = 2\nlet_relation = 'less than'",
       "Quick", "q Q"},
      {"type = 'language:response_language'\nlanguage = 'de'",
       "Das ist ein schöner Tag, und wir gehen in den Wald.",
       "This is a fine day and we go to the woods with the children."},
      {"type = 'length_constraints:number_sentences'\nnum_sentences = 2", "One is here. Two is there.",
       "Only Dr. One is here."},
      {"type = 'length_constraints:number_paragraphs'\nnum_paragraphs = 2", "one\n***\ntwo",
       "one\n***\n***\ntwo"},
      {"type = 'length_constraints:number_words'\nnum_words = 3\nrelation = 'less than'", "one two",
       "one two three"},
      {"type = 'length_constraints:nth_paragraph_first_word'\nnum_paragraphs = 2\nnth_paragraph = "
       "2\nfirst_word = 'Then'",
       "First it rained.\n\n'then, it stopped.", "First.\n\nSo then"},
      {"type = 'detectable_content:number_placeholders'\nnum_placeholders = 2", "Dear [name], [date]",
       "Dear [name]"},
      {"type = 'detectable_content:postscript'\npostscript_marker = 'P.S.'", "Bye\np. s. more",
       "Bye PS more"},
      {"type = 'detectable_format:number_bullet_lists'\nnum_bullets = 2", "* a\n- b", "* a\n** b **"},
      {"type = 'detectable_format:constrained_response'", "Well: My answer is no.", "no"},
      {"type = 'detectable_format:number_highlighted_sections'\nnum_highlights = 2", "*a* and *b*",
       "*a* and ** **"},
      {"type = 'detectable_format:multiple_sections'\nsection_spliter = 'Section'\nnum_sections = 2",
       "Section 1\na\nSection 2\nb", "Section one"},
      {"type = 'detectable_format:json_format'", "```json\n{\"a\": 1}\n```", "Here: {\"a\": 1}"},
      {"type = 'detectable_format:title'", "<<Joy>>\ntext", "<< >> text"},
      {"type = 'combination:two_responses'", "one******two", "same******same"},
      {"type = 'combination:repeat_prompt'\nprompt_to_repeat = 'Say hi'", "say HI hello", "hello say hi"},
      {"type = 'startend:end_checker'\nend_phrase = 'The end.'", "It is done. the END.\"", "The end. Or not"},
      {"type = 'startend:quotation'", " \"Hello\" ", "\"Hello"},
      {"type = 'change_case:capital_word_frequency'\ncapital_frequency = 2", "NASA and the EU-LEX",
       "Nasa and ESA"},
      {"type = 'change_case:english_capital'", "THIS IS A FINE DAY AND WE GO TO THE WOODS.",
       "This is a fine day."},
      {"type = 'change_case:english_lowercase'", "this is a fine day and we go to the woods.",
       "This is a fine day."},
      {"type = 'punctuation:no_comma'", "one two", "one, two"},
  };
  return all;
}

TEST(IfEval, HasTwentyFiveKindsEachFollowedAndNot) {
  EXPECT_EQ(ifeval_check_types().size(), 25u);
  ASSERT_EQ(cases().size(), 25u);
  std::set<std::string> types;
  for (const Case& c : cases()) {
    EXPECT_TRUE(passes(c.keys, c.follows)) << c.keys;
    EXPECT_FALSE(passes(c.keys, c.fails)) << c.keys;
    EXPECT_TRUE(passes_loose(c.keys, c.follows)) << c.keys;
    types.insert(testing::checks_from(std::string("[[check]]\n") + c.keys).checks[0].type);
  }
  EXPECT_EQ(types.size(), 25u);
}

TEST(IfEval, HostileAnswersFailOrPassButEnd) {
  std::string stars, brackets;
  for (int i = 0; i < 20000; ++i) {
    stars += "* ";
    brackets += "<<[";
  }
  const std::string bytes = "\xFF\xFE\xC3 \xE2\x82";
  for (const Case& c : cases())
    for (const std::string& answer :
         {std::string(), std::string(" \n\t"), stars, brackets, bytes, std::string(50000, '\n'),
          std::string(3, '\0'), std::string(30000, '"')}) {
      const CheckResult result = judge(c.keys, answer);
      EXPECT_EQ(result.passed, result.score == 1);
      if (trimmed(answer).empty()) {
        EXPECT_FALSE(result.passed) << c.keys << ": a blank answer follows nothing";
      }
    }
}

TEST(IfEval, RepeatsItsOwnPrompt) {
  EXPECT_TRUE(judge("type = 'combination:repeat_prompt'", "Say hi\nhi", "", " say hi ").passed);
  EXPECT_FALSE(judge("type = 'combination:repeat_prompt'", "hi", "", "say hi").passed);
  EXPECT_FALSE(judge("type = 'combination:repeat_prompt'", "hi", "", "").passed) << "no prompt, no pass";
}

TEST(LooseAnswers, AreThePapersEight) {
  EXPECT_EQ(loose_answers("Sure!\n*a*\nb\nBye"),
            (std::vector<std::string>{"Sure!\n*a*\nb\nBye", "*a*\nb\nBye", "Sure!\n*a*\nb", "*a*\nb",
                                      "Sure!\na\nb\nBye", "a\nb\nBye", "Sure!\na\nb", "a\nb"}));
  EXPECT_EQ(loose_answers("one"), (std::vector<std::string>{"one", "", "", "", "one", "", "", ""}));
  EXPECT_EQ(loose_answers("one\ntwo")[3], "");
  const char* quotation = "type = 'startend:quotation'";
  EXPECT_FALSE(passes(quotation, "Here you are:\n\"Hello\""));
  EXPECT_TRUE(passes_loose(quotation, "Here you are:\n\"Hello\""));
  EXPECT_TRUE(passes_loose(quotation, "*\"Hello\"*"));
  EXPECT_FALSE(passes_loose(quotation, "Hello"));
  EXPECT_FALSE(passes_loose("type = 'punctuation:no_comma'", "a, b")) << "an empty reading follows nothing";
}

TEST(IfEval, CountsSentencesAndCapitals) {
  EXPECT_EQ(count_sentences(""), 0u);
  EXPECT_EQ(count_sentences("..."), 0u);
  EXPECT_EQ(count_sentences("No end"), 1u);
  EXPECT_EQ(count_sentences("Mr. J. Smith paid 3.50 at 5 p.m. on Monday. Really? Yes!"), 3u);
  EXPECT_EQ(count_sentences("He said \"go.\" Then he went."), 2u);
  EXPECT_EQ(count_sentences("Wait... what?! No."), 3u);
  EXPECT_EQ(count_sentences("今日は晴れ。明日は雨。"), 2u);
  EXPECT_EQ(count_capital_words("NASA's I A1 Nasa U.S. ÉTÉ 12 EU-LEX"), 5u);
}

}  // namespace
}  // namespace lora
