// From judged pairs to what may be said: who was preferred, and whether this judge is to be believed at all. A pure
// function of what was judged: asks nobody.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/comparison.h"
#include "eval/judge/controls.h"
#include "eval/judge/rounds.h"
#include "eval/statistics.h"

namespace lora {

inline constexpr double kConsistencyAim = 0.8;      // below: a warning
inline constexpr double kConsistencyNeeded = 0.65;  // below: the judge is not used
inline constexpr double kMostUnread = 0.1;  // share of pairs without a verdict; above: the judge is not used

// `a` against `b` over all questions.
struct JudgedComparison {
  std::string a, b;
  size_t n = 0, wins = 0, losses = 0, ties = 0;  // ties hold all of the following
  size_t equal = 0, disagreeing = 0, unreadable = 0, failed = 0;
  double p = 1, p_adjusted = 1;  // sign test on wins and losses; Holm where the verdict rests on several
  Interval win_rate = {};        // of wins among wins and losses: Wilson, 95 %
  size_t longer_won = 0, shorter_won = 0;
  std::optional<double> length_correlation =
      {};  // Pearson, of the outcome with the relative difference in length
};

struct Judgement {
  std::string judge, prompt_hash;
  JudgeMode mode = JudgeMode::kPairwise;
  std::vector<JudgedComparison> comparisons;
  ControlResult controls;
  size_t asked = 0;                            // pairs of contestants that were put before the judge
  size_t readable = 0, consistent = 0;         // of them: with two verdicts; with two equal ones
  size_t always_first = 0, always_second = 0;  // the same place won in both orders
  size_t asked_again = 0, unreadable = 0, failed = 0;
  std::vector<std::string> reasons;   // why the judge is not to be believed; empty: it is
  std::vector<std::string> warnings;  // what to know all the same

  bool is_usable() const { return reasons.empty(); }
  std::optional<double> consistency() const;  // of two orders, or gradings
};

// `families`: name of a model -> what to call it ("the base model"), for the warning about a judge of the same family.
struct JudgedModel {
  std::string what, name;  // "the tuned model", "SmolLM2-135M-Instruct"
};

Judgement judgement_of(const std::string& judge, const JudgeRubric& rubric,
                       const std::vector<JudgePair>& pairs, const std::vector<JudgedPair>& judged,
                       const std::vector<JudgedModel>& models);

struct JudgeVerdict {
  Verdict verdict = Verdict::kNoDifferenceShown;
  std::string sentence;
  bool enough_examples = true;  // false: none was shown, and too few pairs are decided to show one
};

// The verdict on "tuned" as comparison.h defines it, with preferences in place of passes; it needs tuned against base,
// and, where few_shot was asked, tuned against few_shot and few_shot against base. Nothing when the judge is not usable
// or tuned was not judged against base.
std::optional<JudgeVerdict> judge_verdict(Judgement& judgement, const ComparisonOptions& options = {});

// eval/judge.json (docs/formats/run_directory.md), without what asking cost.
nlohmann::ordered_json judgement_json(const Judgement& judgement);

// For a terminal: the comparisons, the controls, whether the judge is believed and why. Ends in a line break.
std::string judgement_text(const Judgement& judgement);

}  // namespace lora
