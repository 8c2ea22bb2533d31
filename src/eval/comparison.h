// From pass and fail per example to a verdict: rates with intervals, paired tests, and the sentence that says
// what was shown. A pure function of recorded outcomes: asks no model.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/statistics.h"

namespace lora {

// Outcomes of one contestant: for each metric, whether example i passed. All contestants and metrics have the
// same n, and index i is the same example everywhere.
struct Contestant {
  std::string name;  // "base", "few_shot", "tuned"
  std::map<std::string, std::vector<bool>> passed;
};

struct ComparisonOptions {
  std::string primary = "correct";
  double alpha = 0.05;
  double margin = 0.05;  // a smaller gain of tuned over few_shot is not worth the training
};

struct Rate {
  double value = 0;
  size_t passes = 0;
  size_t n = 0;
  Interval interval = {};  // Wilson, 95 %
};

// a against b, paired by example.
struct PairedComparison {
  std::string a, b, metric;
  size_t wins = 0, losses = 0, ties = 0;  // wins: a passed, b failed
  double p = 1;                           // exact McNemar, two-sided, not adjusted
  double p_adjusted = 1;                  // Holm over the comparisons of tuned on the primary metric; else p
  Interval difference = {};               // of pass rates a - b, 95 % (Newcombe)
  std::optional<double> smallest_detectable = {};

  bool shows_better(double alpha) const { return wins > losses && p_adjusted <= alpha; }
  bool shows_worse(double alpha) const { return losses > wins && p_adjusted <= alpha; }
};

enum class Verdict { kWon, kPromptingSuffices, kNoDifferenceShown, kWorse };
std::string verdict_name(Verdict verdict);  // "won", "prompting_suffices", "no_difference_shown", "worse"

struct Evaluation {
  std::string primary;
  Verdict verdict = Verdict::kNoDifferenceShown;
  std::string sentence;         // the verdict in words, with its numbers
  bool enough_examples = true;  // false: no difference was shown, and n could hardly have shown one
  std::map<std::string, std::map<std::string, Rate>> rates;  // by contestant, by metric
  std::vector<PairedComparison> comparisons;  // on the primary metric first; others are descriptive
};

// Judges `tuned` against `base` and, where it was asked, `few_shot`.
//   won                 tuned beats base and few_shot (Holm over the two)
//   worse               base beats tuned
//   prompting_suffices  few_shot beats base, and the upper end of tuned - few_shot is below `margin`
//   worse               few_shot beats tuned
//   no_difference_shown otherwise
// The first that holds. Errors: kInput when n is 0, lengths differ, the primary metric is missing, or base or
// tuned is.
Evaluation compare(const std::vector<Contestant>& contestants, const ComparisonOptions& options = {});

// eval/summary.json (docs/formats/): rates, comparisons, verdict.
nlohmann::ordered_json summary_json(const Evaluation& evaluation);

// Rates and comparisons as plain text for a terminal, 80 columns, ends in a line break. The sentence is not
// in it.
std::string comparison_table(const Evaluation& evaluation);

}  // namespace lora
