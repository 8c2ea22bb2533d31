// Runs all metrics on what contestants answered: results per answer, fields over the test set, instruction following, and
// the verdict. A pure function of rows and answers, but for metric commands.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/comparison.h"
#include "eval/metrics.h"

namespace lora {

struct AnswersGiven {
  std::string contestant;
  std::span<const std::string> answers;  // one per row
  std::vector<bool> stopped;             // whether it ended by itself
};

struct AnswerResult {
  CheckResult result;
  std::optional<bool> passed_loose = {};  // of declared format checks
};

struct Scored {
  // By contestant and row, by metric: only those that apply to the row.
  std::vector<std::vector<std::map<std::string, AnswerResult>>> results;
  Evaluation evaluation;
};

// The rows end with the reference answer. An example whose scoring failed for one contestant counts 0 for all of them, so
// that it can be nobody's win. Errors: kInput as compare() (comparison.h).
Scored score_answers(const Metrics& metrics, std::span<const Conversation> rows,
                     std::span<const AnswersGiven> contestants, const ComparisonOptions& options = {});

// How well one contestant does on the primary metric, for choosing among prompts.
struct PrimaryTally {
  double sum = 0;  // passes, or scores
  size_t n = 0;
  bool is_score = false;
  double mean() const { return n == 0 ? 0 : sum / static_cast<double>(n); }
  std::string in_words(const std::string& metric) const;  // "12 of 50 correct", "rouge_l 0.43 over 50"
};
PrimaryTally tally_primary(const Metrics& metrics, std::span<const Conversation> rows,
                           std::span<const std::string> answers);

// An entry of `checks` in eval/answers.jsonl (docs/formats/run_directory.md).
nlohmann::ordered_json answer_result_json(const AnswerResult& result);

}  // namespace lora
