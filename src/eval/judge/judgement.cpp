#include "eval/judge/judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/judge/family.h"

namespace lora {
namespace {

constexpr double kAlpha = 0.05;
constexpr size_t kFewestForLength = 6;  // decided pairs, before their length is worth a warning

// Relative difference in length, from -1 (only b has text) to 1.
double length_difference(const JudgePair& pair) {
  const double a = static_cast<double>(pair.a_text.size()), b = static_cast<double>(pair.b_text.size());
  return a + b > 0 ? (a - b) / (a + b) : 0;
}

std::optional<double> pearson(const std::vector<double>& x, const std::vector<double>& y) {
  if (x.size() < 3) return std::nullopt;
  const double n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0;
  for (size_t i = 0; i < x.size(); ++i) mean_x += x[i] / n, mean_y += y[i] / n;
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  if (xx < 1e-12 || yy < 1e-12) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

JudgedComparison& comparison_of(Judgement& judgement, const JudgePair& pair) {
  for (JudgedComparison& known : judgement.comparisons)
    if (known.a == pair.a && known.b == pair.b) return known;
  JudgedComparison added;
  added.a = pair.a, added.b = pair.b;
  return judgement.comparisons.emplace_back(std::move(added));
}

void count_pair(JudgedComparison& comparison, const JudgePair& pair, const JudgedPair& judged) {
  ++comparison.n;
  comparison.equal += judged.equal_answers;
  const bool failed = judged.rounds[0].failed || judged.rounds[1].failed;
  comparison.failed += failed;
  comparison.unreadable += !failed && !judged.is_readable();
  comparison.disagreeing += !judged.equal_answers && judged.is_readable() && !judged.is_consistent();
  if (judged.winner == Winner::kTie) {
    ++comparison.ties;
    return;
  }
  const bool a_won = judged.winner == Winner::kA;
  ++(a_won ? comparison.wins : comparison.losses);
  const double difference = length_difference(pair);
  if (difference != 0) ++((difference > 0) == a_won ? comparison.longer_won : comparison.shorter_won);
}

void count_rounds(Judgement& judgement, const JudgedPair& judged) {
  if (judged.equal_answers) return;
  ++judgement.asked;
  for (const JudgeRound& round : judged.rounds) judgement.asked_again += round.asked_again;
  const bool failed = judged.rounds[0].failed || judged.rounds[1].failed;
  judgement.failed += failed;
  judgement.unreadable += !failed && !judged.is_readable();
  if (!judged.is_readable()) return;
  ++judgement.readable;
  judgement.consistent += judged.is_consistent();
  const auto first = [](const JudgeRound& round) { return (*round.winner == Winner::kA) == round.a_first; };
  if (*judged.rounds[0].winner == Winner::kTie || *judged.rounds[1].winner == Winner::kTie) return;
  if (first(judged.rounds[0]) == first(judged.rounds[1]) && !judged.is_consistent())
    ++(first(judged.rounds[0]) ? judgement.always_first : judgement.always_second);
}

void give_reasons(Judgement& judgement) {
  judgement.reasons = judgement.controls.failures();
  const double asked = static_cast<double>(judgement.asked);
  const size_t unread = judgement.unreadable + judgement.failed;
  if (unread > 0 && static_cast<double>(unread) > kMostUnread * asked)
    judgement.reasons.push_back(
        fmt::format("{} of {} pairs have no verdict ({} not readable, {} without an answer); at most {:.0f} "
                    "% may lack one",
                    unread, judgement.asked, judgement.unreadable, judgement.failed, 100 * kMostUnread));
  const auto consistency = judgement.consistency();
  if (consistency && *consistency < kConsistencyNeeded)
    judgement.reasons.push_back(
        fmt::format("its two verdicts on a pair agree in {} of {} ({:.0f} %); below {:.0f} % it is not used",
                    judgement.consistent, judgement.readable, 100 * *consistency, 100 * kConsistencyNeeded));
}

void give_warnings(Judgement& judgement, const std::vector<JudgedModel>& models) {
  const auto consistency = judgement.consistency();
  if (consistency && *consistency >= kConsistencyNeeded && *consistency < kConsistencyAim)
    judgement.warnings.push_back(
        fmt::format("its two verdicts on a pair agree in only {:.0f} % (aim: {:.0f} %)", 100 * *consistency,
                    100 * kConsistencyAim));
  const size_t first = judgement.always_first, second = judgement.always_second;
  if (judgement.mode == JudgeMode::kPairwise && mcnemar_exact_p(first, second) <= kAlpha)
    judgement.warnings.push_back(
        fmt::format("position bias: where the orders disagree, it chose what was shown {} in {} of {}",
                    first > second ? "first" : "second", std::max(first, second), first + second));
  for (const JudgedComparison& c : judgement.comparisons) {
    const size_t more = std::max(c.longer_won, c.shorter_won), all = c.longer_won + c.shorter_won;
    if (all >= kFewestForLength && mcnemar_exact_p(c.longer_won, c.shorter_won) <= kAlpha)
      judgement.warnings.push_back(
          fmt::format("{} against {}: the {} answer won {} of {}; a taste for {} answers would look the same",
                      c.a, c.b, c.longer_won > c.shorter_won ? "longer" : "shorter", more, all,
                      c.longer_won > c.shorter_won ? "long" : "short"));
  }
  const std::string family = model_family(judgement.judge);
  for (const JudgedModel& model : models)
    if (!family.empty() && model_family(model.name) == family)
      judgement.warnings.push_back(
          fmt::format("judge and {} ({}) are of one family, {}; judges prefer their own", model.what,
                      model.name, family));
}

std::string told(const JudgedComparison& c) {
  return fmt::format("{} preferred over {} in {}, the other way in {}, {} ties, p = {:.2g}{}", c.a, c.b,
                     c.wins, c.losses, c.ties, c.p_adjusted, c.p_adjusted != c.p ? " after Holm" : "");
}

nlohmann::ordered_json optional_json(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace

std::optional<double> Judgement::consistency() const {
  if (readable == 0) return std::nullopt;
  return static_cast<double>(consistent) / static_cast<double>(readable);
}

Judgement judgement_of(const std::string& judge, const JudgeRubric& rubric,
                       const std::vector<JudgePair>& pairs, const std::vector<JudgedPair>& judged,
                       const std::vector<JudgedModel>& models) {
  Judgement judgement;
  judgement.judge = judge;
  judgement.mode = rubric.mode;
  judgement.prompt_hash = prompt_hash(rubric);
  judgement.controls = control_result(pairs, judged);
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i].purpose != JudgePair::Purpose::kAnswers) continue;
    count_pair(comparison_of(judgement, pairs[i]), pairs[i], judged[i]);
    count_rounds(judgement, judged[i]);
  }
  for (JudgedComparison& comparison : judgement.comparisons) {
    comparison.p = comparison.p_adjusted = mcnemar_exact_p(comparison.wins, comparison.losses);
    comparison.win_rate = wilson_interval(comparison.wins, comparison.wins + comparison.losses);
    std::vector<double> outcome, length;
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (pairs[i].purpose != JudgePair::Purpose::kAnswers || pairs[i].a != comparison.a ||
          pairs[i].b != comparison.b || judged[i].equal_answers)
        continue;
      outcome.push_back(judged[i].winner == Winner::kA ? 1 : judged[i].winner == Winner::kB ? -1 : 0);
      length.push_back(length_difference(pairs[i]));
    }
    comparison.length_correlation = pearson(outcome, length);
  }
  give_reasons(judgement);
  give_warnings(judgement, models);
  return judgement;
}

std::optional<JudgeVerdict> judge_verdict(Judgement& judgement, const ComparisonOptions& options) {
  const auto find = [&](const char* a, const char* b) -> JudgedComparison* {
    for (JudgedComparison& c : judgement.comparisons)
      if (c.a == a && c.b == b) return &c;
    return nullptr;
  };
  JudgedComparison* over_base = find("tuned", "base");
  JudgedComparison* over_few_shot = find("tuned", "few_shot");
  const JudgedComparison* prompting = find("few_shot", "base");
  if (!judgement.is_usable() || !over_base) return std::nullopt;
  if (over_few_shot) {
    const std::vector<double> adjusted = holm(std::vector<double>{over_base->p, over_few_shot->p});
    over_base->p_adjusted = adjusted[0], over_few_shot->p_adjusted = adjusted[1];
  }
  const auto better = [&](const JudgedComparison& c) {
    return c.wins > c.losses && c.p_adjusted <= options.alpha;
  };
  const auto worse = [&](const JudgedComparison& c) {
    return c.losses > c.wins && c.p_adjusted <= options.alpha;
  };
  const auto believed = [&](std::string text) {
    return fmt::format("By the judge {}: {}", judgement.judge, std::move(text));
  };
  if (better(*over_base) && (!over_few_shot || better(*over_few_shot)))
    return JudgeVerdict{
        Verdict::kWon,
        believed(fmt::format("the tuned model is better than its base{} ({}{}).",
                             over_few_shot ? " and than few-shot prompting" : "", told(*over_base),
                             over_few_shot ? "; " + told(*over_few_shot) : ""))};
  if (worse(*over_base))
    return JudgeVerdict{Verdict::kWorse, believed(fmt::format("the tuned model is worse than its base ({}).",
                                                              told(*over_base)))};
  if (over_few_shot && prompting && better(*prompting) &&
      paired_difference_interval(0, over_few_shot->wins, over_few_shot->losses, over_few_shot->ties).high <
          options.margin)
    return JudgeVerdict{
        Verdict::kPromptingSuffices,
        believed(fmt::format("prompting suffices ({}; {}).", told(*prompting), told(*over_few_shot)))};
  if (over_few_shot && worse(*over_few_shot))
    return JudgeVerdict{Verdict::kWorse,
                        believed(fmt::format("the tuned model is worse than few-shot prompting ({}).",
                                             told(*over_few_shot)))};
  const bool base_settled = better(*over_base);
  const JudgedComparison& open = base_settled ? *over_few_shot : *over_base;
  std::vector<double> p{over_base->p};
  if (over_few_shot) p.push_back(over_few_shot->p);
  const double level = holm_levels(p, options.alpha).at(base_settled ? 1 : 0);
  const size_t decided = open.wins + open.losses, needed = fewest_one_sided_pairs(level);
  return JudgeVerdict{
      Verdict::kNoDifferenceShown,
      believed(fmt::format(
          "no difference {} was shown ({}).{}",
          base_settled ? "to few-shot prompting" : "between the tuned model and its base", told(open),
          decided < needed ? fmt::format(" Not enough examples to tell: {} are decided, at least {} "
                                         "that all go one way are needed.",
                                         decided, needed)
                           : "")),
      decided >= needed};
}

nlohmann::ordered_json judgement_json(const Judgement& j) {
  nlohmann::ordered_json json{{"format", 1},
                              {"judge", j.judge},
                              {"mode", j.mode == JudgeMode::kPairwise ? "pairwise" : "rubric"},
                              {"prompt_hash", j.prompt_hash},
                              {"usable", j.is_usable()},
                              {"reasons", j.reasons},
                              {"warnings", j.warnings}};
  json["comparisons"] = nlohmann::ordered_json::array();
  for (const JudgedComparison& c : j.comparisons) {
    const size_t decided = c.wins + c.losses;
    json["comparisons"].push_back(
        {{"a", c.a},
         {"b", c.b},
         {"n", c.n},
         {"wins", c.wins},
         {"losses", c.losses},
         {"ties", c.ties},
         {"equal_answers", c.equal},
         {"disagreeing", c.disagreeing},
         {"unreadable", c.unreadable},
         {"failed", c.failed},
         {"p", c.p},
         {"win_rate", decided
                          ? nlohmann::ordered_json(static_cast<double>(c.wins) / static_cast<double>(decided))
                          : nlohmann::ordered_json(nullptr)},
         {"low", c.win_rate.low},
         {"high", c.win_rate.high},
         {"tie_rate", static_cast<double>(c.ties) / static_cast<double>(std::max<size_t>(c.n, 1))},
         {"longer_won", c.longer_won},
         {"shorter_won", c.shorter_won},
         {"length_correlation", optional_json(c.length_correlation)}});
  }
  json["position"] = {{"pairs", j.readable},
                      {"consistent", j.consistent},
                      {"consistency", optional_json(j.consistency())},
                      {"always_first", j.always_first},
                      {"always_second", j.always_second}};
  json["pairs_asked"] = j.asked;
  json["asked_again"] = j.asked_again;
  json["unreadable"] = j.unreadable;
  json["failed"] = j.failed;
  json["controls"] = {{"identical",
                       {{"n", j.controls.identical},
                        {"ties", j.controls.identical_ties},
                        {"verdicts", j.controls.identical_rounds},
                        {"named_first", j.controls.identical_first},
                        {"named_second", j.controls.identical_second}}},
                      {"gold",
                       {{"n", j.controls.gold},
                        {"wins", j.controls.gold_wins},
                        {"losses", j.controls.gold_losses},
                        {"p", j.controls.gold_p},
                        {"share_needed", kGoldShare}}}};
  return json;
}

std::string judgement_text(const Judgement& j) {
  std::string text =
      fmt::format("judge: {} ({}, prompt {})\n", j.judge,
                  j.mode == JudgeMode::kPairwise ? "pairwise" : "rubric", j.prompt_hash.substr(0, 12));
  text += fmt::format("{:<26} {:>5} {:>7} {:>5} {:>9}  {}\n", "comparison", "wins", "losses", "ties", "p",
                      "win rate, 95 % interval");
  for (const JudgedComparison& c : j.comparisons) {
    const size_t decided = c.wins + c.losses;
    text += fmt::format(
        "{:<26} {:>5} {:>7} {:>5} {:>9.2g}  {}\n", c.a + " - " + c.b, c.wins, c.losses, c.ties, c.p,
        decided == 0 ? std::string("none decided")
                     : fmt::format("{:.0f} %, {:.0f} to {:.0f} %, of {} decided",
                                   100.0 * static_cast<double>(c.wins) / static_cast<double>(decided),
                                   100 * c.win_rate.low, 100 * c.win_rate.high, decided));
  }
  if (const auto consistency = j.consistency())
    text += fmt::format(
        "two {} agree: {} of {} ({:.0f} %); {} pairs without a readable verdict, {} without an answer\n",
        j.mode == JudgeMode::kPairwise ? "orders" : "gradings", j.consistent, j.readable, 100 * *consistency,
        j.unreadable, j.failed);
  text += fmt::format(
      "controls: equal answers tie in {} of {}; the right answer beats another row's in {} of {}\n",
      j.controls.identical_ties, j.controls.identical, j.controls.gold_wins, j.controls.gold);
  for (const std::string& warning : j.warnings) text += "warning: " + warning + "\n";
  if (j.is_usable()) return text + "the judge passed its controls\n";
  text += "the judge is not used:\n";
  for (const std::string& reason : j.reasons) text += "  " + reason + "\n";
  return text;
}

}  // namespace lora
