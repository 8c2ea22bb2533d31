// Votes of a blinded review, read back and counted: whom people prefer, how sure that is, and how far they agree with
// each other and with a judge. Votes are JSON Lines as the review page gives them:
//   {"review": "…", "a": "base", "b": "tuned", "seed": 0, "reviewer": "ann", "id": 3, "vote": "left" | "tie" | "right"}
// Files of several reviewers may be given one after the other.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/agreement.h"
#include "eval/statistics.h"
#include "report/evaluation_record.h"

namespace lora {

struct VoteCount {
  size_t a = 0, b = 0, ties = 0;  // who is preferred
  size_t all() const { return a + b + ties; }
};

struct ReviewerAgreement {
  std::string first, second;
  Agreement agreement;  // over the examples that both voted on; categories a, b, tie
};

struct ReviewResult {
  std::string a, b;
  size_t asked = 0;                                               // examples in the review
  size_t identical = 0;                                           // answered alike, so not asked
  std::vector<std::pair<std::string, VoteCount>> reviewers = {};  // by name
  // One vote an example: what most of its reviewers say, a tie where they balance.
  VoteCount total = {};
  Interval preference = {};  // of b among examples that are no tie; Wilson, 95 %
  double p = 1;              // exact sign test, two-sided
  std::vector<ReviewerAgreement> agreements = {};
  std::optional<Agreement> with_judge = {};      // of the total, where a judge's votes are there
  size_t duplicates = 0;                         // votes that were there twice; counted once
  std::vector<std::string> contradictions = {};  // "ann on example 3 (lines 4 and 9)": none of them counts
};

// `judge`: eval/judge.jsonl, lines {"id": …, "a": …, "b": …, "winner": "a" | "b" | "tie"}; may be absent. Lines on other
// pairs are passed over.
// Errors: kInput with file:line for what is no vote, for votes on other answers, contestants or examples, and for files
// without a vote; kMachine.
ReviewResult read_votes(const EvaluationRecord& evaluation, const std::vector<std::filesystem::path>& files,
                        const std::filesystem::path& judge);

nlohmann::ordered_json review_json(const ReviewResult& result);
// For a terminal; ends in a line break.
std::string review_in_words(const ReviewResult& result);

}  // namespace lora
