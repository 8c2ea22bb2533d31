#include "eval/judge/verdict_text.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

TEST(VerdictText, VerdictsAsJudgesWriteThem) {
  for (const char* text :
       {"Verdict: 1", "verdict: 1.", "words\n\nVERDICT : 1\n", "**Verdict: 1**", "**Verdict:** 1",
        "Final verdict: 1", "My verdict is 1", "Verdict: Answer 1", "Verdict: answer 1 is better.",
        "Verdict: [1]", "Verdict: \"1\"", "{\"reason\": \"x\", \"verdict\": \"1\"}", "{\"verdict\": 1}",
        "Both are fine. Verdict: 1", "### Verdict: `1`", "<think>Verdict: 2</think>\nVerdict: 1",
        "Verdict = 1", "Verdict: 1\r\n", "$\\boxed{}$ Verdict: 1"})
    EXPECT_EQ(find_verdict(text), JudgeChoice::kFirst) << text;
  EXPECT_EQ(find_verdict("Verdict: 2"), JudgeChoice::kSecond);
  for (const char* text :
       {"Verdict: tie", "Verdict: Tie.", "Verdict: neither", "verdict: EQUAL", "Verdict: draw"})
    EXPECT_EQ(find_verdict(text), JudgeChoice::kTie) << text;
}

TEST(VerdictText, TheLastOneCounts) {
  EXPECT_EQ(find_verdict("Verdict: 1\nOn second thoughts:\nVerdict: 2"), JudgeChoice::kSecond);
  EXPECT_EQ(find_verdict("Verdict: 1. Or rather, verdict: tie"), JudgeChoice::kTie);
  EXPECT_EQ(find_verdict("Verdict: 2\nVerdict: perhaps"), std::nullopt);
  EXPECT_EQ(find_verdict("Verdict: 2\nThat is my verdict."), JudgeChoice::kSecond);
}

TEST(VerdictText, WhatIsNotClearIsNone) {
  for (const char* text : {"",
                           "1",
                           "Answer 1 is better.",
                           "Verdict:",
                           "Verdict: 1 or 2",
                           "Verdict: 1/2",
                           "Verdict: 1, 2",
                           "Verdict: 12",
                           "Verdict: 1 is worse",
                           "Verdict: 3",
                           "Verdict: 0",
                           "Verdict: not 1",
                           "Verdict: first",
                           "Verdict: A",
                           "verdict 1",
                           "The verdict is 1 in my dreams is 2",
                           "Verdict: tie or 1",
                           "<think>Verdict: 1",
                           "<think>a</think><think>Verdict: 1",
                           "Verdict: \"1\" | \"2\" | \"tie\"",
                           "I would not give the verdict of 1"})
    EXPECT_EQ(find_verdict(text), std::nullopt) << text;
}

TEST(VerdictText, Scores) {
  const std::vector<std::string> criteria{"correctness", "Clarity of style"};
  EXPECT_EQ(find_scores("words\ncorrectness: 4\nclarity of style: 5", criteria), (std::vector<int>{4, 5}));
  EXPECT_EQ(find_scores("- **Correctness:** 4/5\n- **Clarity of style**: 1 out of 5.", criteria),
            (std::vector<int>{4, 1}));
  EXPECT_EQ(find_scores("correctness: 1\ncorrectness: 2\nclarity of style: 3", criteria),
            (std::vector<int>{2, 3}));
  for (const char* text :
       {"correctness: 4", "correctness: 4\nclarity of style: 6", "correctness: 0\nclarity of style: 1",
        "correctness: 4.5\nclarity of style: 1", "correctness: 45\nclarity of style: 1",
        "correctness: NUMBER\nclarity of style: NUMBER", "correctness 4\nclarity of style 5",
        "<think>correctness: 4\nclarity of style: 5", "correctness: 3/10\nclarity of style: 5"})
    EXPECT_EQ(find_scores(text, criteria), std::nullopt) << text;
}

}  // namespace
}  // namespace lora
