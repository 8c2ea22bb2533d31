// What an evaluation recorded: summary.json and answers.jsonl (docs/formats/run_directory.md), with the questions out of
// the rows that were asked. Plain values; nothing is judged again here.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/conversation.h"

namespace lora {

struct FieldOutcome {
  std::string name;
  bool passed = false;
  std::string expected, got;  // compact JSON; empty: that side has no such field
};

struct CheckOutcome {
  std::string metric;
  bool passed = false;
  double score = 0;
  std::string why = {};
  std::vector<FieldOutcome> fields = {};
};

struct GivenAnswer {
  std::string text;
  bool stopped = true;
  size_t prompt_tokens = 0;
  std::optional<size_t> tokens = {};  // of the answer, where it was recorded
  std::vector<CheckOutcome> checks = {};

  const CheckOutcome* check(std::string_view metric) const;  // null: it does not apply to the row
};

struct AskedExample {
  size_t id = 0, line = 0;
  std::vector<Message> question;  // empty when the rows that were asked are not there
  std::string reference;
  std::vector<std::optional<GivenAnswer>> answers;  // by contestant
};

struct RateRecord {
  double value = 0, low = 0, high = 1;
  size_t n = 0;
  bool is_score = false;  // a mean of scores, not a share that passes
};

struct MetricRecord {
  std::string name, type;
  bool is_score = false;
};

struct ComparisonRecord {
  std::string a, b, metric;
  size_t wins = 0, losses = 0, ties = 0;
  double p = 1;
  std::optional<double> p_adjusted = {}, difference = {}, low = {}, high = {}, smallest_detectable = {};
  bool is_score = false;  // the numbers above are of scores, not shares
  std::string test = {};  // as summary.json names it; empty in older files

  size_t n() const { return wins + losses + ties; }
};

struct FieldRecord {
  std::string name;
  size_t expected = 0, answered = 0, correct = 0;
};

// How a contestant was asked, and what its answers cost.
struct AskedRecord {
  std::string name, kind, source;
  size_t examples = 0, cut_off = 0;
  std::optional<double> prompt_tokens = {}, answer_tokens = {};  // means
  // Of timing.json (asked alone, on this machine) or endpoints.json.
  std::optional<double> median_s = {}, p95_s = {}, first_token_s = {}, cost_per_1000 = {};
  size_t timed = 0;  // answers that the times are of
};

// A contestant that was to be asked and could not be.
struct LeftOutRecord {
  std::string name, why;
};

struct EvaluationRecord {
  std::string primary, verdict;
  std::string sentence, why_primary;  // may be empty: older files have none
  bool enough_examples = true;
  std::string decided_by = {};           // "judge": its verdict stands in place of the checks'
  std::vector<std::string> contestants;  // base, few_shot, tuned, then others by name
  std::vector<MetricRecord> metrics;     // the primary one first
  std::map<std::string, std::map<std::string, RateRecord>> rates;  // by contestant, by metric
  std::vector<ComparisonRecord> comparisons;
  std::map<std::string, std::vector<FieldRecord>> fields;  // of the primary metric, by contestant
  std::vector<AskedExample> examples;
  std::vector<AskedRecord> asked = {};  // as contestants; empty in older directories
  std::vector<LeftOutRecord> left_out = {};

  const ComparisonRecord* comparison(std::string_view a, std::string_view b, std::string_view metric) const;
  std::optional<size_t> contestant(std::string_view name) const;
  const AskedRecord* of(std::string_view contestant) const;  // null: nothing is known
  const MetricRecord* metric(std::string_view name) const;
};

// `folder` holds summary.json and, it may be, answers.jsonl; `rows` may be absent. Errors: kInput when a file is broken
// or the two disagree; kMachine.
EvaluationRecord read_evaluation(const std::filesystem::path& folder, const std::filesystem::path& rows);

// Names the answers of an evaluation: a digest of ids, references and answers, not of how they were judged.
std::string answers_digest(const EvaluationRecord& evaluation);

}  // namespace lora
