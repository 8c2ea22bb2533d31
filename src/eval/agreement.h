// How far two judges of the same examples agree. Pure functions of their choices.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "eval/statistics.h"

namespace lora {

struct Agreement {
  size_t n = 0, equal = 0;  // examples that both judged, and judged alike
  double share = 0;         // equal / n; 0 when n is 0
  // Cohen's kappa (Cohen 1960), unweighted: the agreement beyond what their habits alone would give. Nothing when that
  // is undefined: no example, or both always chose the same.
  std::optional<double> kappa = {};
  // 95 %, by the large-sample standard error of Fleiss, Cohen and Everitt (1969). Nothing without kappa.
  std::optional<Interval> interval = {};
};

// `a[i]` and `b[i]` are what the two chose for example i: numbers below `categories`.
// Precondition: equal lengths, all choices in range.
Agreement cohen_kappa(std::span<const size_t> a, std::span<const size_t> b, size_t categories);

}  // namespace lora
