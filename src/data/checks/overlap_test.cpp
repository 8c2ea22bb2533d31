#include "data/checks/overlap.h"

#include <gtest/gtest.h>

#include "data/chat_jsonl.h"
#include "data/testing.h"

namespace lora {
namespace {

using testing::findings_of;

Conversation held_out(const std::string& question, const std::string& answer, size_t line) {
  return {.messages = {{.role = "user", .content = question}, {.role = "assistant", .content = answer}},
          .line = line};
}

std::string row(const std::string& question, const std::string& answer) {
  return R"({"messages":[{"role":"user","content":")" + question + R"("},{"role":"assistant","content":")" +
         answer + "\"}]}\n";
}

const std::vector<Conversation> kEval = {
    held_out("Who wrote the song about the river?", "A ferryman, long ago.", 1),
    held_out("How can I bake bread without an oven at home?", "In a pot with a lid, over a low flame.", 4),
    held_out("Do cats like rain?", "no", 5),
};

TEST(Overlap, ExactAndNearRowsAreNamedWithTheirPlace) {
  const auto findings = findings_of(
      make_overlap_check(kEval, "eval.jsonl"),
      row("Where does the Danube end?", "In the sea.") +
          row("Who wrote the song about the river?", "A ferryman, long ago.") +
          row("do cats like rain", "Some do.") +
          row("How could I bake bread without an oven at home?", "In a pot with a lid, over a low flame."));
  ASSERT_EQ(findings.size(), 3u);
  for (const Finding& finding : findings) EXPECT_EQ(finding.code, "train-eval-overlap");
  EXPECT_EQ(findings[0].line, 2u);
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_EQ(findings[0].message, "this row equals eval.jsonl:1, which is held out");
  EXPECT_EQ(findings[1].line, 3u);
  EXPECT_EQ(findings[1].severity, Severity::kError);
  EXPECT_EQ(findings[1].message, "this row asks the same question as eval.jsonl:5, which is held out");
  EXPECT_EQ(findings[2].line, 4u);
  EXPECT_EQ(findings[2].severity, Severity::kWarning);
  EXPECT_EQ(findings[2].message, "this row nearly equals eval.jsonl:4 (similarity 0.73), which is held out");
}

TEST(Overlap, EqualAnswersAndEqualTemplatesAreNone) {
  std::string text = row("Do dogs like rain?", "no") + row("Is the shop open on Sundays?", "no");
  EXPECT_TRUE(findings_of(make_overlap_check(kEval, "eval.jsonl"), text).empty());
  std::vector<Conversation> sums;
  text.clear();
  for (size_t i = 10; i < 60; ++i) {
    sums.push_back(held_out("What is " + std::to_string(i) + " plus 7, written as one number?",
                            std::to_string(i + 7), i));
    text += row("What is " + std::to_string(i) + " plus 8, written as one number?", std::to_string(i + 8));
  }
  EXPECT_TRUE(findings_of(make_overlap_check(sums, "eval.jsonl"), text).empty());
  EXPECT_TRUE(findings_of(make_overlap_check({}, "eval.jsonl"), text).empty());
}

TEST(Overlap, TheTurnsThatLeadToTheAnswerCountWhereTheyAreLearned) {
  Conversation talk = held_out("Do cats like rain?", "Some do.", 0);
  talk.messages.push_back({.role = "user", .content = "And dogs?"});
  talk.messages.push_back({.role = "assistant", .content = "More of them."});
  const auto findings = findings_of(make_overlap_check(kEval, "eval.jsonl"), chat_jsonl_line(talk));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_EQ(findings[0].message, "this row asks the same question as eval.jsonl:5, which is held out");
  talk.messages[1].train = false;
  EXPECT_TRUE(findings_of(make_overlap_check(kEval, "eval.jsonl"), chat_jsonl_line(talk)).empty());
}

TEST(Overlap, GoldenRowsMayNotStandInTheFile) {
  const auto findings = findings_of(make_overlap_check(kEval, "golden.jsonl", OtherFile::kGolden),
                                    row("Do cats like rain?", "no"));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "golden-problem");
  EXPECT_EQ(findings[0].message, "this row equals golden.jsonl:5, a golden example");
}

}  // namespace
}  // namespace lora
