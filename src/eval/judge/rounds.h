// Pairs of answers put before the judge, each twice: in both orders, or, scored by criteria, in two independent gradings.
// A side wins only when both rounds say so; whatever cannot be read counts for neither.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/judge/judge_model.h"
#include "eval/judge/prompt.h"
#include "eval/judge/verdict_text.h"

namespace lora {

// Two answers to question `id`. kAnswers: of contestants; the others are controls.
struct JudgePair {
  enum class Purpose { kAnswers, kIdentical, kGold };
  Purpose purpose = Purpose::kAnswers;
  size_t id = 0;
  std::string a, b;  // names: "tuned", "base"; "gold", "shuffled gold"
  std::string a_text, b_text;
};
std::string purpose_name(JudgePair::Purpose purpose);  // "answers", "identical", "gold"

enum class Winner { kA, kB, kTie };
std::string winner_name(Winner winner);  // "a", "b", "tie"

// One of the two times that a pair was judged. Nothing in `winner`: no answer, or none that can be read.
struct JudgeRound {
  std::optional<Winner> winner = {};
  bool a_first = true;       // the order in which the answers were shown; always true by criteria
  bool asked_again = false;  // the first text held no verdict
  bool failed = false;       // no answer came
  std::vector<int> a_scores = {}, b_scores = {};  // by criteria
};

struct JudgedPair {
  Winner winner = Winner::kTie;
  bool equal_answers = false;  // nothing was asked: equal answers tie
  std::array<JudgeRound, 2> rounds = {};
  std::string
      why;  // "both orders", "the orders disagree", "equal answers", "no verdict that can be read", "no answer"

  bool is_readable() const { return equal_answers || (rounds[0].winner && rounds[1].winner); }
  bool is_consistent() const { return rounds[0].winner && rounds[0].winner == rounds[1].winner; }
};

// One exchange with the judge, for the transcripts.
struct JudgeExchange {
  size_t pair = 0;        // index into the pairs
  int round = 0;          // 0 or 1
  std::string side = {};  // by criteria: "a" or "b"
  bool again = false;
  const JudgePrompt* prompt = nullptr;
  const JudgeAnswer* answer = nullptr;
};

// Judges all pairs, in two calls of the model: all at once, then those again whose text held no verdict.
// Answers of contestants that are equal (white space around apart) tie without being asked; controls are always asked.
// Errors: the model's.
std::vector<JudgedPair> judge_pairs(JudgeModel& model, const JudgeRubric& rubric,
                                    const std::vector<JudgeQuestion>& questions,
                                    const std::vector<JudgePair>& pairs,
                                    const std::function<void(const JudgeExchange&)>& on_exchange);

}  // namespace lora
