// From outcomes per example (passed or failed, or a score) to a verdict: rates and means with intervals, paired tests, and
// the sentence that says what was shown. A pure function of recorded outcomes: asks no model.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eval/statistics.h"

namespace lora {

// Outcomes of one contestant. For each metric either whether example i passed or its score in [0, 1]. A metric has the
// same n and index i is the same example for all contestants; metrics may differ in n.
struct Contestant {
  std::string name;  // "base", "few_shot", "tuned"
  std::map<std::string, std::vector<bool>> passed;
  std::map<std::string, std::vector<double>> scores = {};
};

struct ComparisonOptions {
  std::string primary = "correct";
  double alpha = 0.05;
  double margin = 0.05;  // a smaller gain of tuned over few_shot is not worth the training
  uint64_t seed = 0;     // of the bootstrap and of sampled permutations
};

struct Rate {
  double value = 0;  // share that passes, or mean score
  size_t passes = 0;
  size_t n = 0;
  Interval interval = {};  // 95 %: Wilson; of a mean, BCa bootstrap
  bool is_score = false;
  std::optional<double> corpus = {};  // BLEU, chrF: of all answers as one text
};

// a against b, paired by example.
struct PairedComparison {
  std::string a, b, metric;
  size_t wins = 0, losses = 0, ties = 0;  // wins: a passed and b failed, or a has the higher score
  double p = 1;                           // two-sided, not adjusted
  // Holm, each family by itself: tuned against base and few_shot, on which the verdict rests; tuned against all others;
  // the secondary metrics. Else p.
  double p_adjusted = 1;
  double mean_difference = 0;  // of pass rates or mean scores, a - b
  Interval difference = {};    // its 95 % interval: Newcombe; BCa bootstrap of the paired differences
  // At the level that decides: what Holm leaves, of tuned against base and few_shot; else alpha.
  std::optional<double> smallest_detectable = {};
  bool is_score = false;
  std::string test = {};  // "mcnemar_exact", "permutation_exact", "permutation_sampled"

  bool shows_better(double alpha) const { return mean_difference > 0 && p_adjusted <= alpha; }
  bool shows_worse(double alpha) const { return mean_difference < 0 && p_adjusted <= alpha; }
};

// What is known of a metric beside its outcomes; told in summary.json.
struct MetricInfo {
  std::string name, type;
  bool is_score = false, declared = false, is_format = false;
  size_t n = 0;         // rows that it applies to
  size_t unscored = 0;  // examples whose scoring failed for some contestant
  std::string system = {}, system_contains = {}, tag = {};
  bool of_rows = false;  // brought by the rows themselves
};

// How a contestant was asked and what its answers cost; told in summary.json, but for times and money, which are told in
// timing.json and endpoints.json: summary.json has equal bytes when an evaluation is made again.
struct ContestantInfo {
  std::string name;
  std::string kind;         // "base", "few_shot", "tuned", "adapter", "endpoint"
  std::string source = {};  // the adapter's folder, the endpoint's model
  size_t examples = 0;      // in each prompt
  size_t answers = 0;
  size_t cut_off = 0;                                            // answers that ran into the limit of tokens
  std::optional<double> prompt_tokens = {}, answer_tokens = {};  // means, by its own tokenizer
  std::optional<double> latency_median_s = {}, latency_p95_s = {}, cost_per_1000_answers = {};
};

// One field of JSON answers over all examples.
struct FieldCounts {
  std::string name;
  size_t expected = 0, answered = 0, correct = 0;  // references with it, answers with it, right ones
  std::optional<double> precision() const;
  std::optional<double> recall() const;
  std::optional<double> f1() const;
};

enum class Verdict { kWon, kPromptingSuffices, kNoDifferenceShown, kWorse };
std::string verdict_name(Verdict verdict);  // "won", "prompting_suffices", "no_difference_shown", "worse"

struct Evaluation {
  std::string primary;
  Verdict verdict = Verdict::kNoDifferenceShown;
  std::string sentence;         // the verdict in words, with its numbers
  bool enough_examples = true;  // false: no difference was shown, and n could hardly have shown one
  std::string decided_by = {};  // "judge": verdict, sentence and enough_examples are its; empty: the checks'
  std::map<std::string, std::map<std::string, Rate>> rates;  // by contestant, by metric
  std::vector<PairedComparison> comparisons;  // on the primary metric first; others are descriptive
  // Filled by score_answers (scoring.h), empty where outcomes alone were compared.
  std::string why_primary = {};
  std::vector<MetricInfo> metrics = {};
  std::map<std::string, std::map<std::string, std::vector<FieldCounts>>> fields =
      {};                                  // by metric, contestant
  std::vector<ContestantInfo> asked = {};  // by who asked (run/evaluate.h), in the order of asking
};

// Judges `tuned` against `base` and, where it was asked, `few_shot`.
//   won                 tuned beats base and few_shot (Holm over the two)
//   worse               base beats tuned
//   prompting_suffices  few_shot beats base, and the upper end of tuned - few_shot is below `margin`
//   worse               few_shot beats tuned
//   no_difference_shown otherwise
// Others (other adapters, endpoints) are compared with tuned on the primary metric and decide nothing: whatever they
// answer, verdict, sentence and the comparisons above stay as they are.
// "beats": the paired test gives p <= alpha (exact McNemar for passes, permutation for scores). The first that holds.
// Errors: kInput when n is 0, lengths differ, the primary metric is missing, or base or
// tuned is.
Evaluation compare(const std::vector<Contestant>& contestants, const ComparisonOptions& options = {});

}  // namespace lora
