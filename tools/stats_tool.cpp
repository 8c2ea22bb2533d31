// Statistics for tests/parity/test_statistics.py: a request a line on standard input, its numbers a line on
// standard output, in 17 digits. Not for users.
//   wilson K N CONFIDENCE | clopper K N CONFIDENCE | mcnemar WINS LOSSES | paired BOTH WINS LOSSES NEITHER
//   CONFIDENCE detectable N ALPHA POWER | quantile P | beta A B X | holm P P … | permutation SEED D D …
//   bca SEED RESAMPLES X X … (the interval, then the resampled means) | nct T DF DELTA | tquantile P DF
//   meandetectable N DEVIATION ALPHA POWER | kappa CATEGORIES A B A B … (kappa, low, high)
#include <fmt/format.h>

#include <iostream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "eval/agreement.h"
#include "eval/score_statistics.h"
#include "eval/statistics.h"

namespace {

std::string shown(lora::Interval interval) {
  return fmt::format("{:.17g} {:.17g}", interval.low, interval.high);
}

std::string answer(std::istringstream& in) {
  std::string what;
  in >> what;
  std::vector<double> x;
  for (double value; in >> value;) x.push_back(value);
  const auto count = [&](size_t i) { return static_cast<size_t>(x.at(i)); };
  if (what == "wilson") return shown(lora::wilson_interval(count(0), count(1), x.at(2)));
  if (what == "clopper") return shown(lora::clopper_pearson_interval(count(0), count(1), x.at(2)));
  if (what == "mcnemar") return fmt::format("{:.17g}", lora::mcnemar_exact_p(count(0), count(1)));
  if (what == "paired")
    return shown(lora::paired_difference_interval(count(0), count(1), count(2), count(3), x.at(4)));
  if (what == "quantile") return fmt::format("{:.17g}", lora::normal_quantile(x.at(0)));
  if (what == "beta") return fmt::format("{:.17g}", lora::incomplete_beta(x.at(0), x.at(1), x.at(2)));
  if (what == "holm") return fmt::format("{:.17g}", fmt::join(lora::holm(x), " "));
  if (what == "detectable") {
    const auto smallest = lora::smallest_detectable(count(0), x.at(1), x.at(2));
    return smallest ? fmt::format("{:.17g}", *smallest) : "none";
  }
  if (what == "permutation") {
    const lora::PermutationTest test = lora::paired_permutation(std::span(x).subspan(1), count(0));
    return fmt::format("{:.17g} {}", test.p, test.exact ? 1 : 0);
  }
  if (what == "bca") {
    const std::span<const double> values = std::span<const double>(x).subspan(2);
    const std::vector<double> means = lora::resample_means(values, count(0), count(1));
    return fmt::format("{} {:.17g}", shown(lora::bca_interval(values, means)), fmt::join(means, " "));
  }
  if (what == "nct") return fmt::format("{:.17g}", lora::noncentral_t_cdf(x.at(0), x.at(1), x.at(2)));
  if (what == "tquantile") return fmt::format("{:.17g}", lora::student_t_quantile(x.at(0), x.at(1)));
  if (what == "meandetectable") {
    const auto smallest = lora::smallest_detectable_mean(count(0), x.at(1), x.at(2), x.at(3));
    return smallest ? fmt::format("{:.17g}", *smallest) : "none";
  }
  if (what == "kappa") {
    std::vector<size_t> a, b;
    for (size_t i = 1; i + 1 < x.size(); i += 2) a.push_back(count(i)), b.push_back(count(i + 1));
    const lora::Agreement agreement = lora::cohen_kappa(a, b, count(0));
    return agreement.kappa ? fmt::format("{:.17g} {}", *agreement.kappa, shown(*agreement.interval)) : "none";
  }
  return "unknown request";
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::cout << answer(in) << '\n';
  }
}
