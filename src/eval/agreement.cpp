#include "eval/agreement.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

namespace lora {

Agreement cohen_kappa(std::span<const size_t> a, std::span<const size_t> b, size_t categories) {
  assert(a.size() == b.size());
  Agreement agreement{.n = a.size()};
  if (a.empty()) return agreement;
  const auto n = static_cast<double>(a.size());
  std::vector<double> cell(categories * categories), rows(categories), columns(categories);
  for (size_t i = 0; i < a.size(); ++i) {
    agreement.equal += a[i] == b[i];
    cell[a[i] * categories + b[i]] += 1 / n;
  }
  for (size_t i = 0; i < categories; ++i)
    for (size_t j = 0; j < categories; ++j) {
      rows[i] += cell[i * categories + j];
      columns[j] += cell[i * categories + j];
    }
  agreement.share = static_cast<double>(agreement.equal) / n;
  const double observed = agreement.share;
  double chance = 0;
  for (size_t i = 0; i < categories; ++i) chance += rows[i] * columns[i];
  // All choices of both in one category: the only way that chance is 1. Compared as counts, so that rounding cannot
  // stand between.
  if (agreement.equal == agreement.n && std::ranges::all_of(a, [&](size_t choice) { return choice == a[0]; }))
    return agreement;
  const double kappa = (observed - chance) / (1 - chance);
  agreement.kappa = kappa;
  double diagonal = 0, beside = 0;
  for (size_t i = 0; i < categories; ++i)
    for (size_t j = 0; j < categories; ++j) {
      const double p = cell[i * categories + j];
      if (i == j)
        diagonal += p * std::pow(1 - (rows[i] + columns[i]) * (1 - kappa), 2);
      else
        beside += p * std::pow(columns[i] + rows[j], 2);
    }
  beside *= (1 - kappa) * (1 - kappa);
  const double centre = std::pow(kappa - chance * (1 - kappa), 2);
  const double variance = std::max(0.0, diagonal + beside - centre) / (n * (1 - chance) * (1 - chance));
  const double half = normal_quantile(0.975) * std::sqrt(variance);
  agreement.interval = Interval{std::max(-1.0, kappa - half), std::min(1.0, kappa + half)};
  return agreement;
}

}  // namespace lora
