#include "eval/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace lora {
namespace {

const Contestant* find(const std::vector<Contestant>& contestants, std::string_view name) {
  const auto found =
      std::find_if(contestants.begin(), contestants.end(), [&](const auto& c) { return c.name == name; });
  return found == contestants.end() ? nullptr : &*found;
}

void check_input(const std::vector<Contestant>& contestants, const std::string& primary) {
  const auto refuse = [](std::string found, std::string expected) {
    throw Error::input({.where = "evaluation", .found = std::move(found), .expected = std::move(expected)});
  };
  for (const char* name : {"base", "tuned"})
    if (!find(contestants, name))
      refuse(fmt::format("no answers of \"{}\"", name), "answers of base and of tuned");
  const auto& metrics = contestants.front().passed;
  for (const Contestant& contestant : contestants) {
    if (!contestant.passed.contains(primary))
      refuse(fmt::format("\"{}\" was not judged by the primary metric \"{}\"", contestant.name, primary),
             "all contestants judged alike");
    const size_t n = metrics.at(primary).size();
    if (n == 0) refuse("no examples to judge by", "at least one");
    if (contestant.passed.size() != metrics.size())
      refuse(fmt::format("\"{}\" was judged by other metrics than \"{}\"", contestant.name,
                         contestants.front().name),
             "the same for all");
    for (const auto& [metric, passed] : contestant.passed) {
      if (!metrics.contains(metric))
        refuse(fmt::format("only \"{}\" was judged by \"{}\"", contestant.name, metric), "the same for all");
      if (passed.size() != n)
        refuse(fmt::format("{} outcomes of \"{}\" by \"{}\"", passed.size(), contestant.name, metric),
               fmt::format("{}, one per example", n));
    }
  }
}

Rate rate_of(const std::vector<bool>& passed) {
  Rate rate;
  rate.n = passed.size();
  rate.passes = static_cast<size_t>(std::count(passed.begin(), passed.end(), true));
  rate.value = static_cast<double>(rate.passes) / static_cast<double>(rate.n);
  rate.interval = wilson_interval(rate.passes, rate.n);
  return rate;
}

PairedComparison pair_up(const Contestant& a, const Contestant& b, const std::string& metric, double alpha) {
  const std::vector<bool>& of_a = a.passed.at(metric);
  const std::vector<bool>& of_b = b.passed.at(metric);
  PairedComparison pair{.a = a.name, .b = b.name, .metric = metric};
  size_t both = 0, neither = 0;
  for (size_t i = 0; i < of_a.size(); ++i) {
    if (of_a[i] == of_b[i])
      ++(of_a[i] ? both : neither);
    else
      ++(of_a[i] ? pair.wins : pair.losses);
  }
  pair.ties = both + neither;
  pair.p = pair.p_adjusted = mcnemar_exact_p(pair.wins, pair.losses);
  pair.difference = paired_difference_interval(both, pair.wins, pair.losses, neither);
  pair.smallest_detectable = smallest_detectable(of_a.size(), alpha);
  return pair;
}

// Holm over the comparisons of tuned that the verdict rests on.
void adjust(std::vector<PairedComparison*> pairs) {
  std::vector<double> p;
  for (const PairedComparison* pair : pairs) p.push_back(pair->p);
  const std::vector<double> adjusted = holm(p);
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i]->p_adjusted = adjusted[i];
}

std::string p_in_words(double p) {
  return p < 0.0001 ? fmt::format("p = {:.0e}", p) : fmt::format("p = {:.2g}", p);
}
std::string percent(double share) {
  return fmt::format("{:.0f} %", 100 * share);
}

// "41 of 50 right against 3 of 50 of base: 38 wins, 0 losses, 12 ties, p = 7e-12"
std::string numbers(const PairedComparison& pair, const Rate& a, const Rate& b) {
  return fmt::format("{} passes {} of {}, {} {} of {}: {} wins, {} losses, {} ties, {}{}", pair.a, a.passes,
                     a.n, pair.b, b.passes, b.n, pair.wins, pair.losses, pair.ties,
                     p_in_words(pair.p_adjusted), pair.p_adjusted != pair.p ? " after Holm" : "");
}

// Why nothing was shown, and whether the examples could have shown it.
std::string nothing_shown(const PairedComparison& pair, double alpha, bool& enough) {
  const size_t n = pair.wins + pair.losses + pair.ties, discordant = pair.wins + pair.losses;
  const size_t needed = fewest_one_sided_pairs(alpha);
  enough = discordant >= needed;
  if (n < needed)
    return fmt::format(
        "Not enough examples to tell: with {} no outcome could be significant, {} are the least.", n, needed);
  const std::string could = fmt::format("{} examples can hardly show a difference below {}.", n,
                                        percent(*pair.smallest_detectable));
  if (!enough)
    return fmt::format(
        "Not enough examples to tell: the two differ on {}, and at least {} that all go one way are needed; "
        "{}",
        discordant, needed, could);
  return could;
}

}  // namespace

std::string verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kWon:
      return "won";
    case Verdict::kPromptingSuffices:
      return "prompting_suffices";
    case Verdict::kWorse:
      return "worse";
    case Verdict::kNoDifferenceShown:
      break;
  }
  return "no_difference_shown";
}

Evaluation compare(const std::vector<Contestant>& contestants, const ComparisonOptions& options) {
  check_input(contestants, options.primary);
  const Contestant& tuned = *find(contestants, "tuned");
  const Contestant& base = *find(contestants, "base");
  const Contestant* few_shot = find(contestants, "few_shot");
  const double alpha = options.alpha;

  Evaluation evaluation;
  evaluation.primary = options.primary;
  for (const Contestant& contestant : contestants)
    for (const auto& [metric, passed] : contestant.passed)
      evaluation.rates[contestant.name][metric] = rate_of(passed);

  PairedComparison over_base = pair_up(tuned, base, options.primary, alpha);
  std::optional<PairedComparison> over_few_shot, prompting;
  if (few_shot) {
    over_few_shot = pair_up(tuned, *few_shot, options.primary, alpha);
    prompting = pair_up(*few_shot, base, options.primary, alpha);
    adjust({&over_base, &*over_few_shot});
  }

  const auto told = [&](const PairedComparison& pair) {
    return numbers(pair, evaluation.rates[pair.a][pair.metric], evaluation.rates[pair.b][pair.metric]);
  };
  std::string& sentence = evaluation.sentence;
  if (over_base.shows_better(alpha) && (!few_shot || over_few_shot->shows_better(alpha))) {
    evaluation.verdict = Verdict::kWon;
    sentence = fmt::format("The tuned model is better than its base{}: {}.",
                           few_shot ? " and than few-shot prompting" : "", told(over_base));
    if (few_shot) sentence += fmt::format(" {}.", told(*over_few_shot));
  } else if (over_base.shows_worse(alpha)) {
    evaluation.verdict = Verdict::kWorse;
    sentence = fmt::format("The tuned model is worse than its base: {}.", told(over_base));
  } else if (few_shot && prompting->shows_better(alpha) && over_few_shot->difference.high < options.margin) {
    evaluation.verdict = Verdict::kPromptingSuffices;
    sentence = fmt::format(
        "Prompting suffices: examples in the prompt help ({}), and training adds {} over them ({}).",
        told(*prompting),
        over_few_shot->difference.high <= 0 ? "nothing"
                                            : "at most " + percent(over_few_shot->difference.high),
        told(*over_few_shot));
  } else if (few_shot && over_few_shot->shows_worse(alpha)) {
    evaluation.verdict = Verdict::kWorse;
    sentence = fmt::format("The tuned model is worse than few-shot prompting: {}.", told(*over_few_shot));
  } else {
    const bool base_settled = over_base.shows_better(alpha);
    const PairedComparison& open = base_settled ? *over_few_shot : over_base;
    sentence = base_settled ? fmt::format(
                                  "The tuned model is better than its base ({}), but no difference to "
                                  "few-shot prompting was shown: {}. ",
                                  told(over_base), told(open))
                            : fmt::format("No difference was shown: {}. ", told(open));
    sentence += nothing_shown(open, alpha, evaluation.enough_examples);
  }

  evaluation.comparisons.push_back(over_base);
  if (few_shot) {
    evaluation.comparisons.push_back(*over_few_shot);
    evaluation.comparisons.push_back(*prompting);
  }
  for (const auto& [metric, passed] : tuned.passed)
    if (metric != options.primary) evaluation.comparisons.push_back(pair_up(tuned, base, metric, alpha));
  return evaluation;
}

nlohmann::ordered_json summary_json(const Evaluation& evaluation) {
  nlohmann::ordered_json summary = {
      {"format", 1}, {"primary", evaluation.primary}, {"verdict", verdict_name(evaluation.verdict)}};
  summary["contestants"] = nlohmann::ordered_json::object();
  for (const auto& [name, rates] : evaluation.rates)
    for (const auto& [metric, rate] : rates)
      summary["contestants"][name][metric] = {
          {"value", rate.value}, {"n", rate.n}, {"low", rate.interval.low}, {"high", rate.interval.high}};
  summary["comparisons"] = nlohmann::ordered_json::array();
  for (const PairedComparison& pair : evaluation.comparisons) {
    nlohmann::ordered_json entry = {{"a", pair.a},       {"b", pair.b},           {"metric", pair.metric},
                                    {"wins", pair.wins}, {"losses", pair.losses}, {"ties", pair.ties},
                                    {"p", pair.p}};
    if (pair.smallest_detectable)
      entry["smallest_detectable"] = *pair.smallest_detectable;
    else
      entry["smallest_detectable"] = nullptr;
    summary["comparisons"].push_back(std::move(entry));
  }
  return summary;
}

std::string comparison_table(const Evaluation& evaluation) {
  std::string text = fmt::format("{:<12} {:<16} {:>9} {:>7}  {}\n", "contestant", "metric", "passed", "rate",
                                 "95 % interval");
  for (const auto& [name, rates] : evaluation.rates)
    for (const auto& [metric, rate] : rates)
      text += fmt::format("{:<12} {:<16} {:>9} {:>7}  {} to {}{}\n", name, metric,
                          fmt::format("{}/{}", rate.passes, rate.n),
                          fmt::format("{:.1f} %", 100 * rate.value), percent(rate.interval.low),
                          percent(rate.interval.high), metric == evaluation.primary ? "  (primary)" : "");
  text += fmt::format("\n{:<22} {:<16} {:>5} {:>7} {:>5} {:>9}  {}\n", "comparison", "metric", "wins",
                      "losses", "ties", "p", "smallest");
  for (const PairedComparison& pair : evaluation.comparisons)
    text += fmt::format("{:<22} {:<16} {:>5} {:>7} {:>5} {:>9.2g}  {}\n", pair.a + " - " + pair.b,
                        pair.metric, pair.wins, pair.losses, pair.ties, pair.p,
                        pair.smallest_detectable ? percent(*pair.smallest_detectable) : "none");
  return text;
}

}  // namespace lora
