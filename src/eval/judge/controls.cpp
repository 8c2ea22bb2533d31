#include "eval/judge/controls.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/random.h"
#include "eval/checks.h"
#include "eval/statistics.h"

namespace lora {
namespace {

constexpr double kAlpha = 0.05;
constexpr uint64_t kPurpose = 0x6a75646765;  // "judge"

}  // namespace

std::vector<JudgePair> control_pairs(const std::vector<JudgeQuestion>& questions, size_t count,
                                     uint64_t seed) {
  std::vector<JudgePair> pairs;
  const std::vector<size_t> order = Random(seed, kPurpose).permutation(questions.size());
  for (size_t k = 0; k < std::min(count, order.size()); ++k) {
    const std::string& reference = questions[order[k]].reference;
    pairs.push_back({JudgePair::Purpose::kIdentical, order[k], "gold", "gold", reference, reference});
  }
  size_t gold = 0;
  for (size_t k = 0; k < order.size() && gold < count; ++k) {
    const std::string& reference = questions[order[k]].reference;
    const std::string known = normalized(reference);
    for (size_t step = 1; step < order.size(); ++step) {
      const std::string& other = questions[order[(k + step) % order.size()]].reference;
      if (normalized(other) == known) continue;
      pairs.push_back({JudgePair::Purpose::kGold, order[k], "gold", "shuffled gold", reference, other});
      ++gold;
      break;
    }
  }
  return pairs;
}

ControlResult control_result(const std::vector<JudgePair>& pairs, const std::vector<JudgedPair>& judged) {
  ControlResult result;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const JudgedPair& one = judged[i];
    if (pairs[i].purpose == JudgePair::Purpose::kIdentical) {
      ++result.identical;
      result.identical_ties += one.winner == Winner::kTie;
      for (const JudgeRound& round : one.rounds) {
        if (!round.winner) continue;
        ++result.identical_rounds;
        if (*round.winner == Winner::kTie) continue;
        const bool first = (*round.winner == Winner::kA) == round.a_first;
        ++(first ? result.identical_first : result.identical_second);
      }
    } else if (pairs[i].purpose == JudgePair::Purpose::kGold) {
      ++result.gold;
      result.gold_wins += one.winner == Winner::kA;
      result.gold_losses += one.winner == Winner::kB;
    }
  }
  result.gold_p = mcnemar_exact_p(result.gold_wins, result.gold_losses);
  return result;
}

std::vector<std::string> ControlResult::failures() const {
  std::vector<std::string> why;
  if (identical == 0) why.push_back("there is no row to check the judge with");
  if (identical_ties < identical)
    why.push_back(fmt::format("of {} pairs of equal answers it let one side win in {}; all must tie",
                              identical, identical - identical_ties));
  if (gold < kFewestGoldPairs)
    why.push_back(
        fmt::format("only {} rows have an answer that others do not have, so it could not be checked whether "
                    "the right answer wins; {} are needed",
                    gold, kFewestGoldPairs));
  else if (static_cast<double>(gold_wins) < kGoldShare * static_cast<double>(gold) || gold_p > kAlpha)
    why.push_back(
        fmt::format("the right answer won {} of {} against that of another row and lost {} (p = {:.2g}); at "
                    "least {:.0f} % and p <= {} are needed",
                    gold_wins, gold, gold_losses, gold_p, 100 * kGoldShare, kAlpha));
  return why;
}

}  // namespace lora
