// Checks of rows: one metric for one name, each row with its own arguments, and nothing that data may not do.
#include "eval/row_checks.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "eval/check_testing.h"
#include "eval/scoring.h"

namespace lora {
namespace {

using testing::checks_from;

Conversation row(size_t line, const std::string& reference, const std::string& checks) {
  Conversation row{.messages = {{"user", "q"}, {"assistant", reference}}};
  row.line = line;
  row.checks = checks;
  return row;
}

std::string refusal(const std::vector<Conversation>& rows, const DeclaredChecks& declared = {}) {
  try {
    with_row_checks(declared, rows, "data.jsonl");
    return "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
}

constexpr const char* kTwoWords = R"([{"type":"length","exactly":2},{"type":"contains","text":"yes"}])";
constexpr const char* kFiveWords = R"([{"type":"length","exactly":5}])";

TEST(RowChecks, EachRowIsJudgedByItsOwnArguments) {
  const std::vector<Conversation> rows{row(1, "r", kTwoWords), row(2, "r", kFiveWords), row(3, "r", "")};
  const DeclaredChecks declared = with_row_checks({}, rows, "data.jsonl");
  ASSERT_EQ(declared.checks.size(), 2u);
  EXPECT_EQ(declared.checks[0].name, "length");
  EXPECT_TRUE(declared.checks[0].applies_to(rows[0]));
  EXPECT_TRUE(declared.checks[0].applies_to(rows[1]));
  EXPECT_FALSE(declared.checks[0].applies_to(rows[2])) << "it brings none";
  EXPECT_FALSE(declared.checks[1].applies_to(rows[1]));
  for (const auto& [answer, first, second] :
       {std::tuple{"yes sir", true, false}, {"yes I do think so", false, true}}) {
    EXPECT_EQ(declared.checks[0].of(rows[0]).run(answer, "r").passed, first) << answer;
    EXPECT_EQ(declared.checks[0].of(rows[1]).run(answer, "r").passed, second) << answer;
  }
}

TEST(RowChecks, RowsWithoutCountForNothingAndTheNumberIsSaid) {
  const std::string reference = "a long answer in free text that no program can judge by its words alone";
  std::vector<Conversation> rows;
  for (size_t i = 0; i < 8; ++i) rows.push_back(row(i + 1, reference, kTwoWords));
  for (size_t i = 8; i < 11; ++i) rows.push_back(row(i + 1, reference, ""));
  const Metrics metrics = choose_metrics(with_row_checks({}, rows, "data.jsonl"), rows, {});
  EXPECT_EQ(metrics.primary.name, kInstructionFollowing);
  const std::vector<std::string> good(11, "yes sir"), bad(11, "no");
  const std::vector<AnswersGiven> given{{"base", bad, std::vector<bool>(11, true)},
                                        {"tuned", good, std::vector<bool>(11, true)}};
  const Evaluation evaluation = score_answers(metrics, rows, given).evaluation;
  EXPECT_EQ(evaluation.rates.at("tuned").at("instruction_following").n, 8u);
  EXPECT_EQ(evaluation.rates.at("tuned").at("length").passes, 8u);
  EXPECT_EQ(evaluation.verdict, Verdict::kWon);
  EXPECT_NE(evaluation.sentence.find("applies to 8 of the 11 held-out rows; the other 3 do not count"),
            std::string::npos)
      << evaluation.sentence;
  EXPECT_TRUE(evaluation.metrics.at(1).of_rows);
}

TEST(RowChecks, FurtherRowsJoin) {
  DeclaredChecks declared = checks_from("[[check]]\ntype = \"json_valid\"\n");
  declared = with_row_checks(declared, std::vector{row(1, "r", kTwoWords)}, "data.jsonl");
  declared = with_row_checks(declared, std::vector{row(1, "r", kFiveWords)}, "other.jsonl");
  ASSERT_EQ(declared.checks.size(), 3u);
  EXPECT_EQ(declared.checks[1].by_row.size(), 2u);
  EXPECT_FALSE(declared.checks[0].is_of_rows());
}

TEST(RowChecks, WhatARowMayNot) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"([{"type":"metric_command","command":["rm"]}])", "start no programs"},
      {R"([{"type":"json_schema","schema_file":"/etc/passwd"}])", "names no files"},
      {R"([{"type":"exact","primary":true}])", "\"primary\""},
      {R"([{"type":"exact","tag":"x"}])", "\"tag\""},
      {R"([{"type":"exacto"}])", "exact"},
      {R"([{"type":"length","minimum":3}])", "data.jsonl:7"},
      {R"([{"type":"exact","name":"stopped"}])", "the program uses itself"},
      {R"([{"type":"exact"},{"type":"exact"}])", "two checks of the row"},
      {R"(["exact"])", "no object"},
      {R"({"type":"exact"})", "no array"}};
  for (const auto& [checks, said] : cases) {
    const std::string error = refusal({row(7, "r", checks)});
    EXPECT_NE(error.find(said), std::string::npos) << checks << "\n" << error;
    EXPECT_NE(error.find("data.jsonl:7"), std::string::npos) << error;
  }
}

TEST(RowChecks, OneNameIsOneThing) {
  EXPECT_NE(refusal({row(1, "r", kTwoWords)}, checks_from("[[check]]\ntype = \"length\"\nmin = 1\n"))
                .find("test.toml:1:1"),
            std::string::npos);
  EXPECT_NE(refusal({row(1, "r", R"([{"type":"exact","name":"x"}])"),
                     row(2, "r", R"([{"type":"json_valid","name":"x"}])")})
                .find("one type for one name"),
            std::string::npos);
  EXPECT_NE(
      refusal({row(1, "r", R"([{"type":"rouge_l"}])"), row(2, "r", R"([{"type":"rouge_l","pass_at":0.5}])")})
          .find("pass_at"),
      std::string::npos);
}

}  // namespace
}  // namespace lora
