// What a judge must get right before it is believed: equal answers tie, and the right answer beats that of another row.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/judge/rounds.h"

namespace lora {

inline constexpr size_t kControlPairs = 20;    // of each kind, where the rows allow it
inline constexpr size_t kFewestGoldPairs = 6;  // fewer cannot be significant
inline constexpr double kGoldShare = 0.7;  // of the gold pairs that gold must win, ties counting against it

// `count` pairs of each kind at most, over questions chosen by `seed`: a reference against itself, and against the
// reference of another question that differs from it (after normalized()). A question serves once for each.
std::vector<JudgePair> control_pairs(const std::vector<JudgeQuestion>& questions, size_t count,
                                     uint64_t seed);

struct ControlResult {
  size_t identical = 0, identical_ties = 0;  // pairs of equal answers, and those that tied
  size_t identical_rounds = 0, identical_first = 0,
         identical_second = 0;  // single verdicts, those naming a place
  size_t gold = 0, gold_wins = 0, gold_losses = 0;
  double gold_p = 1;  // sign test

  // Why the judge is not to be believed; empty when it passed.
  std::vector<std::string> failures() const;
};

// `pairs` and `judged` as judge_pairs() has them; pairs of contestants are passed over.
ControlResult control_result(const std::vector<JudgePair>& pairs, const std::vector<JudgedPair>& judged);

}  // namespace lora
