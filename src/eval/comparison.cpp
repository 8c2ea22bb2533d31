#include "eval/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "eval/score_statistics.h"

namespace lora {
namespace {

const Contestant* find(const std::vector<Contestant>& contestants, std::string_view name) {
  const auto found =
      std::find_if(contestants.begin(), contestants.end(), [&](const auto& c) { return c.name == name; });
  return found == contestants.end() ? nullptr : &*found;
}

// Names of all metrics with their n.
std::map<std::string, size_t> metric_sizes(const Contestant& contestant) {
  std::map<std::string, size_t> sizes;
  for (const auto& [metric, passed] : contestant.passed) sizes[metric] = passed.size();
  for (const auto& [metric, scores] : contestant.scores) sizes[metric] = scores.size();
  return sizes;
}

void check_input(const std::vector<Contestant>& contestants, const std::string& primary) {
  const auto refuse = [](std::string found, std::string expected) {
    throw Error::input({.where = "evaluation", .found = std::move(found), .expected = std::move(expected)});
  };
  for (const char* name : {"base", "tuned"})
    if (!find(contestants, name))
      refuse(fmt::format("no answers of \"{}\"", name), "answers of base and of tuned");
  const Contestant& first = contestants.front();
  const auto sizes = metric_sizes(first);
  for (const Contestant& contestant : contestants) {
    const auto own = metric_sizes(contestant);
    if (!own.contains(primary))
      refuse(fmt::format("\"{}\" was not judged by the primary metric \"{}\"", contestant.name, primary),
             "all contestants judged alike");
    if (own.at(primary) == 0) refuse("no examples to judge by", "at least one");
    if (own.size() != sizes.size() || contestant.passed.size() != first.passed.size())
      refuse(fmt::format("\"{}\" was judged by other metrics than \"{}\"", contestant.name, first.name),
             "the same for all");
    for (const auto& [metric, n] : own) {
      if (!sizes.contains(metric) || first.passed.contains(metric) != contestant.passed.contains(metric))
        refuse(fmt::format("only \"{}\" was judged by \"{}\"", contestant.name, metric), "the same for all");
      if (n != sizes.at(metric))
        refuse(fmt::format("{} outcomes of \"{}\" by \"{}\"", n, contestant.name, metric),
               fmt::format("{}, one per example", sizes.at(metric)));
    }
  }
}

Rate rate_of(const std::vector<bool>& passed) {
  Rate rate;
  rate.n = passed.size();
  rate.passes = static_cast<size_t>(std::count(passed.begin(), passed.end(), true));
  rate.value = rate.n == 0 ? 0 : static_cast<double>(rate.passes) / static_cast<double>(rate.n);
  rate.interval = wilson_interval(rate.passes, rate.n);
  return rate;
}

Rate rate_of(const std::vector<double>& scores, uint64_t seed) {
  Rate rate;
  rate.is_score = true;
  rate.n = scores.size();
  rate.value = mean_of(scores);
  rate.interval = mean_interval(scores, 0, 1, seed);
  return rate;
}

PairedComparison pair_passes(PairedComparison pair, const std::vector<bool>& of_a,
                             const std::vector<bool>& of_b) {
  size_t both = 0, neither = 0;
  for (size_t i = 0; i < of_a.size(); ++i) {
    if (of_a[i] == of_b[i])
      ++(of_a[i] ? both : neither);
    else
      ++(of_a[i] ? pair.wins : pair.losses);
  }
  pair.ties = both + neither;
  pair.test = "mcnemar_exact";
  pair.p = mcnemar_exact_p(pair.wins, pair.losses);
  if (!of_a.empty())
    pair.mean_difference = (static_cast<double>(pair.wins) - static_cast<double>(pair.losses)) /
                           static_cast<double>(of_a.size());
  pair.difference = paired_difference_interval(both, pair.wins, pair.losses, neither);
  return pair;
}

std::vector<double> differences_of(const std::vector<double>& of_a, const std::vector<double>& of_b) {
  constexpr double kEqual = 1e-12;  // scores that differ by rounding only
  std::vector<double> differences;
  for (size_t i = 0; i < of_a.size(); ++i) {
    const double difference = of_a[i] - of_b[i];
    differences.push_back(std::abs(difference) <= kEqual ? 0 : difference);
  }
  return differences;
}

PairedComparison pair_scores(PairedComparison pair, const std::vector<double>& of_a,
                             const std::vector<double>& of_b, uint64_t seed) {
  const std::vector<double> differences = differences_of(of_a, of_b);
  for (const double difference : differences)
    ++(difference > 0 ? pair.wins : difference < 0 ? pair.losses : pair.ties);
  const PermutationTest test = paired_permutation(differences, seed);
  pair.is_score = true;
  pair.test = test.exact ? "permutation_exact" : "permutation_sampled";
  pair.p = test.p;
  pair.mean_difference = mean_of(differences);
  pair.difference = mean_interval(differences, -1, 1, seed);
  return pair;
}

// The smallest difference that the examples could have shown at a level.
std::optional<double> detectable(const Contestant& a, const Contestant& b, const std::string& metric,
                                 double level) {
  if (const auto passes = a.passed.find(metric); passes != a.passed.end())
    return smallest_detectable(passes->second.size(), level);
  const std::vector<double> differences = differences_of(a.scores.at(metric), b.scores.at(metric));
  // With fewer examples no permutation of signs is rare enough, whatever a t test would make of their spread.
  if (differences.size() < fewest_one_sided_pairs(level)) return std::nullopt;
  return smallest_detectable_mean(differences.size(), sample_deviation(differences), level);
}

PairedComparison pair_up(const Contestant& a, const Contestant& b, const std::string& metric,
                         const ComparisonOptions& options) {
  PairedComparison pair{.a = a.name, .b = b.name, .metric = metric};
  const auto passes = a.passed.find(metric);
  pair = passes != a.passed.end()
             ? pair_passes(std::move(pair), passes->second, b.passed.at(metric))
             : pair_scores(std::move(pair), a.scores.at(metric), b.scores.at(metric), options.seed);
  pair.smallest_detectable = detectable(a, b, metric, options.alpha);
  pair.p_adjusted = pair.p;
  return pair;
}

// Holm over several comparisons.
void adjust(const std::vector<PairedComparison*>& pairs) {
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

// "tuned passes 41 of 50, base 3 of 50: 38 wins, 0 losses, 12 ties, p = 7e-12"
std::string numbers(const PairedComparison& pair, const Rate& a, const Rate& b) {
  const std::string means = pair.is_score ? fmt::format("{} scores {:.3f} on average over {}, {} {:.3f}",
                                                        pair.a, a.value, a.n, pair.b, b.value)
                                          : fmt::format("{} passes {} of {}, {} {} of {}", pair.a, a.passes,
                                                        a.n, pair.b, b.passes, b.n);
  return fmt::format("{}: {} wins, {} losses, {} ties, {}{}", means, pair.wins, pair.losses, pair.ties,
                     p_in_words(pair.p_adjusted), pair.p_adjusted != pair.p ? " after Holm" : "");
}

// A difference of rates, or of means.
std::string size_in_words(const PairedComparison& pair, double size) {
  return pair.is_score ? fmt::format("{:.3f}", size) : percent(size);
}

// Why nothing was shown at a level, and whether the examples could have shown it.
std::string nothing_shown(const PairedComparison& pair, double level, bool& enough) {
  const size_t n = pair.wins + pair.losses + pair.ties, discordant = pair.wins + pair.losses;
  const size_t needed = fewest_one_sided_pairs(level);
  enough = discordant >= needed;
  if (n < needed)
    return fmt::format(
        "Not enough examples to tell: with {} no outcome could be significant, {} are the least.", n, needed);
  const std::string could = pair.smallest_detectable
                                ? fmt::format("{} examples can hardly show a difference below {}.", n,
                                              size_in_words(pair, *pair.smallest_detectable))
                                : fmt::format("All {} examples are scored alike.", n);
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

std::optional<double> FieldCounts::precision() const {
  if (answered == 0) return std::nullopt;
  return static_cast<double>(correct) / static_cast<double>(answered);
}

std::optional<double> FieldCounts::recall() const {
  if (expected == 0) return std::nullopt;
  return static_cast<double>(correct) / static_cast<double>(expected);
}

std::optional<double> FieldCounts::f1() const {
  if (expected + answered == 0) return std::nullopt;
  return 2 * static_cast<double>(correct) / static_cast<double>(expected + answered);
}

Evaluation compare(const std::vector<Contestant>& contestants, const ComparisonOptions& options) {
  check_input(contestants, options.primary);
  const Contestant& tuned = *find(contestants, "tuned");
  const Contestant& base = *find(contestants, "base");
  const Contestant* few_shot = find(contestants, "few_shot");
  const double alpha = options.alpha;

  Evaluation evaluation;
  evaluation.primary = options.primary;
  for (const Contestant& contestant : contestants) {
    for (const auto& [metric, passed] : contestant.passed)
      evaluation.rates[contestant.name][metric] = rate_of(passed);
    for (const auto& [metric, scores] : contestant.scores)
      evaluation.rates[contestant.name][metric] = rate_of(scores, options.seed);
  }

  PairedComparison over_base = pair_up(tuned, base, options.primary, options);
  std::optional<PairedComparison> over_few_shot, prompting;
  double level_over_base = alpha, level_over_few_shot = alpha;
  if (few_shot) {
    over_few_shot = pair_up(tuned, *few_shot, options.primary, options);
    prompting = pair_up(*few_shot, base, options.primary, options);
    adjust({&over_base, &*over_few_shot});
    const std::vector<double> levels = holm_levels(std::vector{over_base.p, over_few_shot->p}, alpha);
    level_over_base = levels[0], level_over_few_shot = levels[1];
    over_base.smallest_detectable = detectable(tuned, base, options.primary, level_over_base);
    over_few_shot->smallest_detectable = detectable(tuned, *few_shot, options.primary, level_over_few_shot);
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
        over_few_shot->difference.high <= 0
            ? "nothing"
            : "at most " + size_in_words(*over_few_shot, over_few_shot->difference.high),
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
    sentence +=
        nothing_shown(open, base_settled ? level_over_few_shot : level_over_base, evaluation.enough_examples);
  }

  evaluation.comparisons.push_back(over_base);
  if (few_shot) {
    evaluation.comparisons.push_back(*over_few_shot);
    evaluation.comparisons.push_back(*prompting);
  }
  const size_t verdicts = evaluation.comparisons.size();
  for (const Contestant& other : contestants)  // other adapters, endpoints: descriptive
    if (other.name != "tuned" && other.name != "base" && other.name != "few_shot")
      evaluation.comparisons.push_back(pair_up(tuned, other, options.primary, options));
  const size_t primaries = evaluation.comparisons.size();
  std::vector<PairedComparison*> others;
  for (size_t i = verdicts; i < primaries; ++i) others.push_back(&evaluation.comparisons[i]);
  adjust(others);
  for (const auto& [metric, n] : metric_sizes(tuned))
    if (metric != options.primary && n > 0)
      evaluation.comparisons.push_back(pair_up(tuned, base, metric, options));
  std::vector<PairedComparison*> secondary;
  for (size_t i = primaries; i < evaluation.comparisons.size(); ++i)
    secondary.push_back(&evaluation.comparisons[i]);
  adjust(secondary);
  return evaluation;
}

}  // namespace lora
