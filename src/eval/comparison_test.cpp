#include "eval/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "eval/summary.h"

namespace lora {
namespace {

// "1101" → passed, passed, failed, passed
std::vector<bool> outcomes(const std::string& text) {
  std::vector<bool> out;
  for (char c : text) out.push_back(c == '1');
  return out;
}
std::string times(int n, char c) {
  return std::string(static_cast<size_t>(n), c);
}

Evaluation judge(const std::string& base, const std::string& tuned, const std::string& few_shot = "") {
  std::vector<Contestant> contestants = {{"base", {{"correct", outcomes(base)}}},
                                         {"tuned", {{"correct", outcomes(tuned)}}}};
  if (!few_shot.empty()) contestants.push_back({"few_shot", {{"correct", outcomes(few_shot)}}});
  return compare(contestants);
}

TEST(Comparison, CountsPairsByExample) {
  const Evaluation e = judge("1100", "1011");
  const PairedComparison& pair = e.comparisons.at(0);
  EXPECT_EQ(pair.a, "tuned");
  EXPECT_EQ(pair.wins, 2u);
  EXPECT_EQ(pair.losses, 1u);
  EXPECT_EQ(pair.ties, 1u);
  EXPECT_DOUBLE_EQ(e.rates.at("tuned").at("correct").value, 0.75);
}

TEST(Comparison, OthersAreHeldTogetherByHolmAndDecideNothing) {
  const std::string base = times(50, '0'), tuned = times(6, '1') + times(44, '0');
  std::vector<Contestant> contestants{{"base", {{"correct", outcomes(base)}}},
                                      {"tuned", {{"correct", outcomes(tuned)}}}};
  const Evaluation alone = compare(contestants);
  contestants.push_back({"step-10", {{"correct", outcomes(times(50, '1'))}}});
  contestants.push_back({"large", {{"correct", outcomes(times(12, '1') + times(38, '0'))}}});
  const Evaluation with = compare(contestants);
  EXPECT_EQ(with.verdict, Verdict::kWon) << "though step-10 is better by far";
  EXPECT_EQ(with.sentence, alone.sentence);
  ASSERT_EQ(with.comparisons.size(), 3u);
  EXPECT_EQ(with.comparisons[0].p_adjusted, with.comparisons[0].p)
      << "others are no part of the verdict's family";
  EXPECT_EQ(with.comparisons[1].b, "step-10");
  EXPECT_EQ(with.comparisons[2].b, "large");
  EXPECT_DOUBLE_EQ(with.comparisons[2].p, 0.03125) << "six to nothing";
  EXPECT_DOUBLE_EQ(with.comparisons[2].p_adjusted, 0.03125) << "the larger of two";
  EXPECT_DOUBLE_EQ(with.comparisons[1].p_adjusted, 2 * with.comparisons[1].p) << "the smaller of two";
}

TEST(Comparison, WhatAnAnswerCostsIsToldWithoutTimesInTheRecord) {
  Evaluation e = judge("0011", "1111");
  e.asked = {{.name = "few_shot",
              .kind = "few_shot",
              .examples = 3,
              .answers = 4,
              .prompt_tokens = 120.5,
              .answer_tokens = 9,
              .latency_median_s = 0.25,
              .latency_p95_s = 1.5,
              .cost_per_1000_answers = 0.02}};
  const auto json = summary_json(e)["asked"][0];
  EXPECT_EQ(json["num_fewshot"], 3);
  EXPECT_EQ(json["prompt_tokens_mean"], 120.5);
  EXPECT_FALSE(json.contains("latency_median_s")) << "summary.json has equal bytes when it is made again";
  const std::string table = comparison_table(e);
  for (const char* part : {"few_shot (3 shown)", "0.250", "1.50", "0.02", "each alone"})
    EXPECT_NE(table.find(part), std::string::npos) << table;
}

TEST(Comparison, SixToNothingWinsAndFiveDoesNot) {
  const Evaluation six = judge(times(50, '0'), times(6, '1') + times(44, '0'));
  EXPECT_EQ(six.verdict, Verdict::kWon);
  EXPECT_NE(six.sentence.find("6 wins, 0 losses, 44 ties"), std::string::npos) << six.sentence;
  const Evaluation five = judge(times(50, '0'), times(5, '1') + times(45, '0'));
  EXPECT_EQ(five.verdict, Verdict::kNoDifferenceShown);
  EXPECT_FALSE(five.enough_examples);
  EXPECT_NE(five.sentence.find("Not enough examples to tell"), std::string::npos) << five.sentence;
}

TEST(Comparison, TooFewExamplesCanShowNothing) {
  const Evaluation e = judge("00000", "11111");
  EXPECT_EQ(e.verdict, Verdict::kNoDifferenceShown);
  EXPECT_FALSE(e.enough_examples);
  EXPECT_FALSE(e.comparisons[0].smallest_detectable);
  EXPECT_TRUE(summary_json(e)["comparisons"][0]["smallest_detectable"].is_null());
}

TEST(Comparison, ManyPairsBothWaysShowNoDifference) {
  const Evaluation e = judge(times(20, '1') + times(20, '0') + times(10, '1'),
                             times(20, '0') + times(20, '1') + times(10, '1'));
  EXPECT_EQ(e.verdict, Verdict::kNoDifferenceShown);
  EXPECT_TRUE(e.enough_examples);
  EXPECT_EQ(e.sentence.find("Not enough"), std::string::npos) << e.sentence;
}

TEST(Comparison, SaysWorse) {
  const Evaluation e = judge(times(10, '1') + times(10, '0'), times(20, '0'));
  EXPECT_EQ(e.verdict, Verdict::kWorse);
  EXPECT_NE(e.sentence.find("worse than its base"), std::string::npos);
  const Evaluation than_prompting =
      judge(times(10, '1') + times(10, '0'), times(10, '1') + times(10, '0'), times(9, '0') + times(11, '1'));
  EXPECT_NE(than_prompting.verdict, Verdict::kWon);
}

TEST(Comparison, FewShotMustBeBeatenToo) {
  const std::string base = times(50, '0'), tuned = times(40, '1') + times(10, '0');
  EXPECT_EQ(judge(base, tuned, times(50, '0')).verdict, Verdict::kWon);
  EXPECT_EQ(judge(base, tuned, times(20, '1') + times(30, '0')).verdict, Verdict::kWon);
  // As good as tuned on the same examples: the prompt alone would have done.
  const Evaluation equal = judge(base, tuned, tuned);
  EXPECT_EQ(equal.verdict, Verdict::kNoDifferenceShown)
      << "50 examples leave room for a gain above the margin";
  EXPECT_NE(equal.sentence.find("better than its base"), std::string::npos) << equal.sentence;
  const Evaluation suffices = judge(base, times(30, '1') + times(20, '0'), times(36, '1') + times(14, '0'));
  EXPECT_LT(suffices.comparisons[1].difference.high, 0.05);
  EXPECT_EQ(suffices.verdict, Verdict::kPromptingSuffices);
  EXPECT_NE(suffices.sentence.find("Prompting suffices"), std::string::npos);
}

TEST(Comparison, FewShotBetterThanTunedIsWorse) {
  // few_shot beats tuned but not base, so prompting was not shown to help over base.
  const std::string base = times(9, '1') + times(11, '0'),
                    few_shot = times(9, '1') + times(3, '1') + times(8, '0');
  const std::string tuned = times(4, '1') + times(16, '0');
  const Evaluation e = judge(base, tuned, few_shot);
  EXPECT_EQ(e.verdict, Verdict::kWorse) << e.sentence;
  EXPECT_NE(e.sentence.find("few-shot"), std::string::npos) << e.sentence;
}

TEST(Comparison, HolmCountsBothComparisons) {
  // 6–0 alone is significant (p = 0.031); twice, Holm doubles the smaller one to 0.0625.
  const std::string base = times(50, '0'), tuned = times(6, '1') + times(44, '0');
  const Evaluation e = judge(base, tuned, base);
  EXPECT_EQ(e.verdict, Verdict::kNoDifferenceShown);
  EXPECT_NEAR(e.comparisons[0].p, 0.03125, 1e-12);
  EXPECT_NEAR(e.comparisons[0].p_adjusted, 0.0625, 1e-12);
  EXPECT_FALSE(e.enough_examples) << "seven are needed where Holm leaves half of the level";
}

TEST(Comparison, WhatCouldBeShownGoesByTheLevelThatHolmLeaves) {
  const Evaluation six = judge(times(6, '0'), times(6, '1'), times(6, '0'));
  EXPECT_EQ(six.verdict, Verdict::kNoDifferenceShown);
  EXPECT_FALSE(six.enough_examples);
  EXPECT_NE(six.sentence.find("with 6 no outcome could be significant, 7 are the least"), std::string::npos)
      << six.sentence;
  EXPECT_FALSE(six.comparisons[0].smallest_detectable);
  EXPECT_EQ(judge(times(7, '0'), times(7, '1'), times(7, '0')).verdict, Verdict::kWon);
  // Better than the base is settled: few_shot then has the whole level, as the base has where nobody else takes part.
  const Evaluation settled = judge(times(20, '0'), times(20, '1'), times(6, '0') + times(14, '1'));
  EXPECT_EQ(settled.verdict, Verdict::kWon);
  EXPECT_EQ(settled.comparisons[1].smallest_detectable, smallest_detectable(20, 0.05));
  EXPECT_EQ(settled.comparisons[0].smallest_detectable, smallest_detectable(20, 0.025));
}

// Scores of twenty examples: each contestant always the same, but that tuned misses a hair on one.
TEST(Comparison, AlmostEqualScoresDoNotShowThatPromptingSuffices) {
  std::vector<double> tuned(20, 0.5);
  tuned[7] -= 1e-6;
  const std::vector<Contestant> contestants{{"base", {}, {{"score", std::vector<double>(20, 0.1)}}},
                                            {"few_shot", {}, {{"score", std::vector<double>(20, 0.5)}}},
                                            {"tuned", {}, {{"score", tuned}}}};
  const Evaluation e = compare(contestants, {.primary = "score"});
  EXPECT_EQ(e.verdict, Verdict::kNoDifferenceShown) << e.sentence;
  EXPECT_GT(e.comparisons[1].difference.high, 0.05);
}

TEST(Comparison, OtherMetricsAreDescriptive) {
  std::vector<Contestant> contestants = {
      {"base", {{"correct", outcomes(times(20, '0'))}, {"json_valid", outcomes(times(20, '0'))}}},
      {"tuned", {{"correct", outcomes(times(20, '0'))}, {"json_valid", outcomes(times(20, '1'))}}}};
  const Evaluation e = compare(contestants);
  EXPECT_EQ(e.verdict, Verdict::kNoDifferenceShown);
  ASSERT_EQ(e.comparisons.size(), 2u);
  EXPECT_EQ(e.comparisons[0].metric, "correct");
  EXPECT_EQ(e.comparisons[1].wins, 20u);
}

TEST(Comparison, RefusesUnpairedOutcomes) {
  EXPECT_THROW(judge("", ""), Error);
  EXPECT_THROW(judge("10", "1"), Error);
  EXPECT_THROW(compare({}), Error);
  EXPECT_THROW(compare({{"base", {{"correct", {true}}}}}), Error);
  EXPECT_THROW(compare({{"base", {{"correct", {true}}}}, {"tuned", {{"other", {true}}}}}), Error);
  EXPECT_THROW(
      compare({{"base", {{"correct", {true}}}}, {"tuned", {{"correct", {true}}, {"extra", {true}}}}}), Error);
}

TEST(SummaryJson, HasTheAgreedShape) {
  const Evaluation e = judge(times(50, '0'), times(45, '1') + times(5, '0'));
  const auto summary = summary_json(e);
  std::vector<std::string> keys;
  for (const auto& [key, value] : summary.items()) keys.push_back(key);
  EXPECT_EQ(keys,
            (std::vector<std::string>{"format", "primary", "verdict", "sentence", "enough_examples",
                                      "why_primary", "metrics", "contestants", "comparisons", "fields"}));
  EXPECT_EQ(summary["format"], 1);
  EXPECT_EQ(summary["primary"], "correct");
  EXPECT_EQ(summary["verdict"], "won");
  const auto& rate = summary["contestants"]["tuned"]["correct"];
  EXPECT_DOUBLE_EQ(rate["value"], 0.9);
  EXPECT_EQ(rate["n"], 50);
  EXPECT_NEAR(rate["low"].get<double>(), 0.786, 0.001);
  EXPECT_NEAR(rate["high"].get<double>(), 0.957, 0.001);
  const auto& pair = summary["comparisons"][0];
  keys.clear();
  for (const auto& [key, value] : pair.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "b", "metric", "wins", "losses", "ties", "p",
                                            "smallest_detectable", "kind", "test", "p_adjusted", "difference",
                                            "low", "high"}));
  EXPECT_EQ(pair["wins"], 45);
  EXPECT_NEAR(pair["smallest_detectable"].get<double>(), 0.16, 0.01);
}

TEST(SummaryJson, SaysWhoDecidedWhereTheChecksDidNot) {
  Evaluation e = judge("0011", "1111");
  EXPECT_FALSE(summary_json(e).contains("decided_by"));
  e.decided_by = "judge";
  EXPECT_EQ(summary_json(e)["decided_by"], "judge");
}

TEST(ComparisonTable, ShowsEveryNumberThatCounts) {
  const std::string table = comparison_table(judge(times(50, '0'), times(45, '1') + times(5, '0')));
  for (const char* part : {"tuned", "45/50", "90.0 %", "79 % to 96 %", "tuned - base", "(primary)"})
    EXPECT_NE(table.find(part), std::string::npos) << part << " in\n" << table;
  size_t begin = 0;
  while (begin < table.size()) {
    const size_t end = table.find('\n', begin);
    EXPECT_LE(end - begin, 80u);
    begin = end + 1;
  }
}

TEST(ComparisonTable, NamesAreCutBetweenCharacters) {
  const std::vector<bool> all(12, true), none(12, false);
  const std::string long_name = "größte-Größe-überäöüäöüäöü", metric = "äöüäöüäöüäöüäöüäöü";
  const Evaluation e = compare({{"base", {{"correct", none}, {metric, none}}},
                                {"tuned", {{"correct", all}, {metric, all}}},
                                {long_name, {{"correct", none}, {metric, all}}}});
  const std::string table = comparison_table(e);
  EXPECT_EQ(table.find(long_name), std::string::npos) << "it is cut";
  EXPECT_TRUE(is_valid_utf8(table)) << table;
}

TEST(Compare, OtherContestantsAreComparedWithTunedAndDecideNothing) {
  const std::vector<bool> all(12, true), none(12, false);
  const std::vector<Contestant> three{
      {"base", {{"correct", none}}}, {"tuned", {{"correct", all}}}, {"large", {{"correct", none}}}};
  const Evaluation evaluation = compare(three, {.primary = "correct"});
  EXPECT_EQ(evaluation.verdict, Verdict::kWon);
  ASSERT_EQ(evaluation.comparisons.size(), 2u);
  EXPECT_EQ(evaluation.comparisons[1].a + evaluation.comparisons[1].b, "tunedlarge");
  EXPECT_EQ(evaluation.comparisons[1].wins, 12u);
  EXPECT_EQ(evaluation.comparisons[0].p_adjusted, evaluation.comparisons[0].p);
}

}  // namespace
}  // namespace lora
