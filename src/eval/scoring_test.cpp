// From rows and answers to results, metrics, fields and the verdict.
#include "eval/scoring.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "eval/check_testing.h"
#include "eval/summary.h"

namespace lora {
namespace {

using testing::checks_from;

Conversation row(const std::string& reference, const std::string& system = "",
                 std::vector<std::string> tags = {}) {
  Conversation conversation;
  if (!system.empty()) conversation.messages.push_back({"system", system});
  conversation.messages.push_back({"user", "question"});
  conversation.messages.push_back({"assistant", reference});
  conversation.tags = std::move(tags);
  return conversation;
}

Scored score(const DeclaredChecks& checks, const std::vector<Conversation>& rows,
             const std::vector<std::string>& base, const std::vector<std::string>& tuned) {
  const std::vector<bool> stopped(rows.size(), true);
  const std::vector<AnswersGiven> given{{"base", base, stopped}, {"tuned", tuned, stopped}};
  return score_answers(choose_metrics(checks, rows, {}), rows, given);
}

std::vector<std::string> times(size_t n, const std::string& text) {
  return std::vector<std::string>(n, text);
}

TEST(ChooseMetrics, DeclaredOnesElseWhatTheReferencesCallFor) {
  const std::vector<Conversation> json(20, row("{\"a\":1}")), brief(20, row("yes")),
      prose(20, row("This is a rather long answer of free text, with many words in it."));
  EXPECT_EQ(choose_metrics({}, json, {}).primary.check, "json_fields");
  EXPECT_EQ(choose_metrics({}, json, {}).metrics.size(), 3u);
  EXPECT_EQ(choose_metrics({}, prose, {}).primary.name, "format");

  const DeclaredChecks form = checks_from("[[check]]\ntype = 'length'\nmax = 5\n");
  EXPECT_EQ(choose_metrics(form, brief, {}).primary.name, "correct");
  EXPECT_EQ(choose_metrics(form, prose, {}).primary.name, "instruction_following");
  const DeclaredChecks content =
      checks_from("[[check]]\ntype = 'length'\nmax = 5\n[[check]]\ntype = 'chrf'\n");
  EXPECT_EQ(choose_metrics(content, prose, {}).primary.name, "chrf");
  EXPECT_TRUE(choose_metrics(content, prose, {}).is_score());
  const DeclaredChecks said =
      checks_from("[[check]]\ntype = 'chrf'\n[[check]]\ntype = 'length'\nmax = 5\nprimary = true\n");
  EXPECT_EQ(choose_metrics(said, json, {}).primary.name, "length");
  EXPECT_EQ(choose_metrics(said, json, {}).metrics[0].check.name, "length");
  EXPECT_NE(choose_metrics(said, json, {}).primary.why.find("as the configuration says"), std::string::npos);

  const DeclaredChecks nowhere = checks_from("[[check]]\ntype = 'chrf'\nprimary = true\ntag = 'x'\n");
  try {
    choose_metrics(nowhere, json, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("test.toml:1:1"), std::string::npos) << error.what();
  }
}

TEST(Scoring, InstructionFollowingStrictAndLoosePerSystemPrompt) {
  const DeclaredChecks checks = checks_from(
      "[[check]]\ntype = 'startend:quotation'\nsystem_contains = 'quotes'\n"
      "[[check]]\ntype = 'length'\nmax = 3\nsystem_contains = 'quotes'\n"
      "[[check]]\ntype = 'punctuation:no_comma'\ntag = 'plain'\n");
  const std::vector<Conversation> rows{row("yes", "Use quotes."), row("yes", "Use quotes."),
                                       row("yes", "Use quotes."), row("yes", "", {"plain"}), row("yes")};
  const std::vector<std::string> tuned{"\"yes\"", "Sure:\n\"yes\"", "yes", "a, b", "anything, at all"};
  const Scored scored = score(checks, rows, tuned, tuned);
  const auto& rates = scored.evaluation.rates.at("tuned");
  EXPECT_EQ(rates.at("instruction_following").n, 4u) << "a row without a format check does not count";
  EXPECT_EQ(rates.at("instruction_following").passes, 1u);
  EXPECT_EQ(rates.at("instruction_following_loose").passes, 2u);
  EXPECT_EQ(rates.at("punctuation:no_comma").n, 1u);
  EXPECT_EQ(rates.at("correct").n, 5u);
  EXPECT_FALSE(scored.results[1][4].contains("length"));
  EXPECT_TRUE(*scored.results[1][1].at("startend:quotation").passed_loose);
  EXPECT_FALSE(scored.results[1][1].at("startend:quotation").result.passed);
  const auto json = answer_result_json(scored.results[1][1].at("startend:quotation"));
  EXPECT_EQ(json["passed"], false);
  EXPECT_EQ(json["passed_loose"], true);
}

TEST(Scoring, InstructionFollowingCanDecide) {
  const DeclaredChecks checks =
      checks_from("[[check]]\ntype = 'length'\nmax = 3\n[[check]]\ntype = 'ends_with'\ntext = '.'\n");
  const std::vector<Conversation> rows(20, row("Some free text that is longer than five words."));
  const Scored scored = score(checks, rows, times(20, "Far too many words here."), times(20, "Short one."));
  EXPECT_EQ(scored.evaluation.primary, "instruction_following");
  EXPECT_EQ(scored.evaluation.verdict, Verdict::kWon);
  EXPECT_EQ(scored.evaluation.metrics[0].name, "instruction_following");
  EXPECT_EQ(tally_primary(choose_metrics(checks, rows, {}), rows, times(20, "Short one.")).sum, 20);
}

TEST(Scoring, FieldsOverTheTestSet) {
  const std::vector<Conversation> rows(4, row("{\"a\":1,\"b\":2}"));
  const std::vector<std::string> tuned{"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}", "{\"a\":1}", "no JSON"};
  const Scored scored = score({}, rows, times(4, "no JSON"), tuned);
  const auto& fields = scored.evaluation.fields.at("correct").at("tuned");
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[0].name, "a");
  EXPECT_EQ(fields[0].expected, 4u);
  EXPECT_EQ(fields[0].answered, 3u);
  EXPECT_EQ(fields[0].correct, 3u);
  EXPECT_DOUBLE_EQ(*fields[0].recall(), 0.75);
  EXPECT_DOUBLE_EQ(*fields[1].precision(), 0.5);
  EXPECT_DOUBLE_EQ(*fields[1].f1(), 2.0 / 6);
  const auto& base = scored.evaluation.fields.at("correct").at("base");
  EXPECT_EQ(base[0].expected, 4u);
  EXPECT_FALSE(base[0].precision());
  const auto json = summary_json(scored.evaluation);
  EXPECT_EQ(json["fields"]["correct"]["tuned"][1]["correct"], 1);
  EXPECT_TRUE(json["fields"]["correct"]["base"][0]["precision"].is_null());
  EXPECT_EQ(json["metrics"][0]["name"], "correct");
  EXPECT_EQ(json["metrics"][0]["primary"], true);
  EXPECT_EQ(json["metrics"][0]["n"], 4);
}

TEST(Scoring, AScoreCanDecide) {
  const DeclaredChecks checks = checks_from("[[check]]\ntype = 'chrf'\nprimary = true\n");
  const std::string reference = "The river runs past the old mill and under the stone bridge.";
  const std::vector<Conversation> rows(12, row(reference));
  const std::string near = "The river runs past the mill and under the bridge.", far = "I do not know.";
  const Scored won = score(checks, rows, times(12, far), times(12, near));
  EXPECT_EQ(won.evaluation.verdict, Verdict::kWon);
  const PairedComparison& pair = won.evaluation.comparisons.at(0);
  EXPECT_TRUE(pair.is_score);
  EXPECT_EQ(pair.test, "permutation_exact");
  EXPECT_EQ(pair.wins, 12u);
  EXPECT_DOUBLE_EQ(pair.p, 2.0 / 4096);
  EXPECT_GT(pair.difference.low, 0);
  EXPECT_NE(won.evaluation.sentence.find("on average over 12"), std::string::npos) << won.evaluation.sentence;
  EXPECT_EQ(score(checks, rows, times(12, near), times(12, far)).evaluation.verdict, Verdict::kWorse);
  const Scored equal = score(checks, rows, times(12, near), times(12, near));
  EXPECT_EQ(equal.evaluation.verdict, Verdict::kNoDifferenceShown);
  EXPECT_FALSE(equal.evaluation.enough_examples);
  const auto tuned = summary_json(won.evaluation)["contestants"]["tuned"]["chrf"];
  EXPECT_EQ(tuned["kind"], "score");
  EXPECT_NEAR(tuned["corpus"].get<double>(), tuned["value"].get<double>(), 1e-12)
      << "all answers are the same";
  EXPECT_EQ(summary_json(won.evaluation).dump(),
            summary_json(score(checks, rows, times(12, far), times(12, near)).evaluation).dump());
}

TEST(Scoring, AFailedScorerIsNobodysWin) {
  // The scorer crashes on the base's answers only.
  const DeclaredChecks checks = checks_from(
      "[[check]]\ntype = 'metric_command'\ncommand = ['sh', '-c', 'grep -q crash && exit 1; echo "
      "1']\nprimary = true\n");
  const std::vector<Conversation> rows(8, row("some answer"));
  const Scored scored = score(checks, rows, times(8, "crash"), times(8, "fine"));
  EXPECT_EQ(scored.evaluation.verdict, Verdict::kNoDifferenceShown);
  EXPECT_EQ(scored.evaluation.comparisons[0].ties, 8u);
  EXPECT_EQ(scored.evaluation.metrics[0].unscored, 8u);
  EXPECT_NE(scored.evaluation.sentence.find("Scoring failed on 8 of 8"), std::string::npos);
  EXPECT_EQ(summary_json(scored.evaluation)["metrics"][0]["unscored"], 8);
  EXPECT_TRUE(scored.results[0][0].at("metric_command").result.unscored);
}

TEST(Scoring, SecondaryMetricsAreAdjustedAmongThemselves) {
  const DeclaredChecks checks = checks_from(
      "[[check]]\ntype = 'normalized_exact'\nprimary = true\n[[check]]\ntype = 'contains'\ntext = 'x'\n"
      "[[check]]\ntype = 'starts_with'\ntext = 'x'\n");
  const std::vector<Conversation> rows(6, row("x"));
  const Scored scored = score(checks, rows, times(6, "y"), times(6, "x"));
  for (const PairedComparison& pair : scored.evaluation.comparisons)
    if (pair.metric == "contains") {
      EXPECT_DOUBLE_EQ(pair.p, 0.03125);
      EXPECT_DOUBLE_EQ(pair.p_adjusted, 0.03125 * 5)
          << "contains, starts_with, two of instruction following, stopped";
    } else if (pair.metric == "normalized_exact") {
      EXPECT_DOUBLE_EQ(pair.p_adjusted, 0.03125);
    }
  EXPECT_EQ(scored.evaluation.verdict, Verdict::kWon);
}

TEST(PrimaryTallyWords, SayWhatIsCounted) {
  EXPECT_EQ((PrimaryTally{12, 50, false}.in_words("correct")), "12 of 50 correct");
  EXPECT_EQ((PrimaryTally{12.5, 50, true}.in_words("chrf")), "chrf 0.250 over 50");
}

}  // namespace
}  // namespace lora
