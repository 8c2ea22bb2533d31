#include "eval/judge/judgement.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

// A pair of contestants whose two rounds say this: 'a', 'b', 't' or '?' (not readable) or '!' (failed) or '=' (equal).
struct Told {
  std::string rounds;
  size_t a_length = 4, b_length = 4;
};

class Record {
 public:
  void add(const std::string& a, const std::string& b, const Told& told,
           JudgePair::Purpose purpose = JudgePair::Purpose::kAnswers) {
    pairs_.push_back(
        {purpose, pairs_.size(), a, b, std::string(told.a_length, 'x'), std::string(told.b_length, 'y')});
    JudgedPair& judged = judged_.emplace_back();
    if (told.rounds == "=") {
      judged.equal_answers = true;
      return;
    }
    for (size_t i = 0; i < 2; ++i) {
      JudgeRound& round = judged.rounds[i];
      round.a_first = i == 0;
      round.failed = told.rounds[i] == '!';
      if (told.rounds[i] == 'a') round.winner = Winner::kA;
      if (told.rounds[i] == 'b') round.winner = Winner::kB;
      if (told.rounds[i] == 't') round.winner = Winner::kTie;
    }
    if (judged.is_consistent()) judged.winner = *judged.rounds[0].winner;
  }
  void add(size_t count, const std::string& a, const std::string& b, const Told& told) {
    for (size_t i = 0; i < count; ++i) add(a, b, told);
  }
  // Controls that pass.
  void add_controls() {
    for (int i = 0; i < 10; ++i) {
      add("gold", "gold", {"tt"}, JudgePair::Purpose::kIdentical);
      add("gold", "shuffled gold", {"aa"}, JudgePair::Purpose::kGold);
    }
  }
  Judgement judgement(const std::string& judge = "judge", const std::vector<JudgedModel>& models = {}) const {
    return judgement_of(judge, {}, pairs_, judged_, models);
  }

 private:
  std::vector<JudgePair> pairs_;
  std::vector<JudgedPair> judged_;
};

bool any_holds(const std::vector<std::string>& sentences, const std::string& words) {
  for (const std::string& sentence : sentences)
    if (sentence.find(words) != std::string::npos) return true;
  return false;
}

TEST(Judgement, CountsAndTestsAsTheyShould) {
  Record record;
  record.add_controls();
  record.add(8, "tuned", "base", {"aa"});
  record.add(1, "tuned", "base", {"bb"});
  record.add(1, "tuned", "base", {"ab"});
  record.add(2, "tuned", "base", {"="});
  const Judgement judgement = record.judgement();
  ASSERT_EQ(judgement.comparisons.size(), 1u);
  const JudgedComparison& c = judgement.comparisons[0];
  EXPECT_EQ(c.n, 12u);
  EXPECT_EQ(c.wins, 8u);
  EXPECT_EQ(c.losses, 1u);
  EXPECT_EQ(c.ties, 3u);
  EXPECT_EQ(c.equal, 2u);
  EXPECT_EQ(c.disagreeing, 1u);
  EXPECT_NEAR(c.p, 0.0390625, 1e-12);  // scipy.stats.binomtest(8, 9).pvalue
  EXPECT_NEAR(c.win_rate.low, 0.5650002944233439,
              1e-9);  // scipy: binomtest(8, 9).proportion_ci(method="wilson")
  EXPECT_NEAR(c.win_rate.high, 0.9801091123614551, 1e-9);
  EXPECT_EQ(judgement.asked, 10u);
  EXPECT_NEAR(*judgement.consistency(), 0.9, 1e-12);
  EXPECT_TRUE(judgement.is_usable());
}

TEST(Judgement, ConsistencyDecidesWhetherItIsUsed) {
  const auto with = [](size_t agreeing, size_t disagreeing) {
    Record record;
    record.add_controls();
    record.add(agreeing, "tuned", "base", {"aa"});
    record.add(disagreeing, "tuned", "base", {"ab"});
    return record.judgement();
  };
  EXPECT_TRUE(with(16, 4).warnings.empty());
  EXPECT_TRUE(with(15, 5).is_usable());
  EXPECT_TRUE(any_holds(with(15, 5).warnings, "only 75 %"));
  EXPECT_TRUE(with(13, 7).is_usable()) << "65 % are just enough";
  EXPECT_FALSE(with(12, 8).is_usable());
  EXPECT_TRUE(any_holds(with(12, 8).reasons, "60 %"));
  EXPECT_TRUE(any_holds(with(12, 8).warnings, "shown first in 8 of 8"));
  EXPECT_FALSE(with(0, 0).consistency().has_value());
}

TEST(Judgement, PairsWithoutAVerdict) {
  const auto with = [](size_t read, size_t unreadable, size_t failed) {
    Record record;
    record.add_controls();
    record.add(read, "tuned", "base", {"aa"});
    record.add(unreadable, "tuned", "base", {"a?"});
    record.add(failed, "tuned", "base", {"!a"});
    return record.judgement();
  };
  EXPECT_TRUE(with(18, 1, 1).is_usable()) << "a tenth is just allowed";
  const Judgement bad = with(17, 2, 1);
  EXPECT_FALSE(bad.is_usable());
  EXPECT_EQ(bad.unreadable, 2u);
  EXPECT_EQ(bad.failed, 1u);
  EXPECT_EQ(bad.comparisons[0].wins, 17u);
  EXPECT_EQ(bad.comparisons[0].ties, 3u);
}

TEST(Judgement, WithoutControlsNothingIsBelieved) {
  Record record;
  record.add(30, "tuned", "base", {"aa"});
  Judgement judgement = record.judgement();
  EXPECT_FALSE(judgement.is_usable());
  EXPECT_FALSE(judge_verdict(judgement));
}

TEST(Judgement, LengthIsToldAndCorrelated) {
  Record record;
  record.add_controls();
  record.add(4, "tuned", "base", {"aa", 30, 10});
  record.add(4, "tuned", "base", {"bb", 10, 30});
  record.add(1, "tuned", "base", {"tt", 20, 20});
  const Judgement judgement = record.judgement();
  EXPECT_EQ(judgement.comparisons[0].longer_won, 8u);
  EXPECT_NEAR(*judgement.comparisons[0].length_correlation, 1, 1e-12);
  EXPECT_TRUE(any_holds(judgement.warnings, "longer answer won 8 of 8"));
  Record even;
  even.add_controls();
  even.add(8, "tuned", "base", {"aa", 20, 20});
  EXPECT_FALSE(even.judgement().comparisons[0].length_correlation);
}

TEST(Judgement, FamiliesAreCompared) {
  Record record;
  record.add_controls();
  const std::vector<JudgedModel> models{{"the tuned model", "Qwen2.5-0.5B-Instruct"}};
  EXPECT_TRUE(any_holds(record.judgement("qwen-max", models).warnings, "one family, qwen"));
  EXPECT_TRUE(record.judgement("gpt-4o", models).warnings.empty());
  EXPECT_TRUE(record.judgement("unknown", {{"the tuned model", "mystery"}}).warnings.empty());
}

Verdict verdict_of(const Record& record) {
  Judgement judgement = record.judgement();
  return judge_verdict(judgement).value().verdict;
}

TEST(JudgeVerdict, FollowsTheRulesOfTheChecks) {
  Record won;
  won.add_controls();
  won.add(8, "tuned", "base", {"aa"});
  EXPECT_EQ(verdict_of(won), Verdict::kWon);
  won.add(8, "tuned", "few_shot", {"aa"});
  EXPECT_EQ(verdict_of(won), Verdict::kWon);

  Record holm;  // p = 0.031 each: not significant for two
  holm.add_controls();
  holm.add(6, "tuned", "base", {"aa"});
  EXPECT_EQ(verdict_of(holm), Verdict::kWon);
  holm.add(6, "tuned", "few_shot", {"aa"});
  EXPECT_EQ(verdict_of(holm), Verdict::kNoDifferenceShown);

  Record worse;
  worse.add_controls();
  worse.add(8, "tuned", "base", {"bb"});
  EXPECT_EQ(verdict_of(worse), Verdict::kWorse);

  Record than_prompting;
  than_prompting.add_controls();
  than_prompting.add(8, "tuned", "base", {"aa"});
  than_prompting.add(8, "tuned", "few_shot", {"bb"});
  EXPECT_EQ(verdict_of(than_prompting), Verdict::kWorse);

  Record prompting;
  prompting.add_controls();
  prompting.add(200, "tuned", "base", {"aa"});
  prompting.add(200, "tuned", "few_shot", {"tt"});
  prompting.add(200, "few_shot", "base", {"aa"});
  EXPECT_EQ(verdict_of(prompting), Verdict::kPromptingSuffices);

  Record few;
  few.add_controls();
  few.add(5, "tuned", "base", {"aa"});
  Judgement judgement = few.judgement();
  const auto verdict = judge_verdict(judgement);
  EXPECT_EQ(verdict->verdict, Verdict::kNoDifferenceShown);
  EXPECT_NE(verdict->sentence.find("Not enough examples"), std::string::npos);
  EXPECT_FALSE(verdict->enough_examples);

  Judgement twice = holm.judgement();  // six to nothing is not enough where Holm leaves half of the level
  EXPECT_FALSE(judge_verdict(twice)->enough_examples);
  EXPECT_NE(judge_verdict(twice)->sentence.find("6 are decided, at least 7"), std::string::npos);

  Record even;
  even.add_controls();
  even.add(10, "tuned", "base", {"aa"});
  even.add(10, "tuned", "base", {"bb"});
  Judgement both_ways = even.judgement();
  EXPECT_EQ(judge_verdict(both_ways)->verdict, Verdict::kNoDifferenceShown);
  EXPECT_TRUE(judge_verdict(both_ways)->enough_examples);
}

TEST(Judgement, JsonAndTextSayWhetherItIsUsed) {
  Record record;
  record.add(3, "tuned", "base", {"ab"});
  const Judgement judgement = record.judgement();
  EXPECT_EQ(judgement_json(judgement)["usable"], false);
  EXPECT_NE(judgement_text(judgement).find("the judge is not used"), std::string::npos);
}

}  // namespace
}  // namespace lora
