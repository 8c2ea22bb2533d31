// Exact statistics for few examples: intervals of a pass rate, the paired test, power, several tests at once.
// Pure functions of counts; nothing here knows what an example is.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace lora {

struct Interval {
  double low = 0;
  double high = 1;
};

// The z with P(Z <= z) = p for a standard normal Z, 0 < p < 1, to within 1e-12.
double normal_quantile(double p);

// The regularised incomplete beta function I_x(a, b), a > 0, b > 0 (continued fraction, DLMF 8.17.22).
double incomplete_beta(double a, double b, double x);

// Score interval of a proportion (Wilson 1927). Coverage near `confidence` on average; the one shown by
// default. Precondition of both intervals: successes <= n. n = 0 gives [0, 1].
Interval wilson_interval(size_t successes, size_t n, double confidence = 0.95);

// Exact interval (Clopper and Pearson 1934): covers at least `confidence`, so it is wider.
Interval clopper_pearson_interval(size_t successes, size_t n, double confidence = 0.95);

// Two-sided exact McNemar test (McNemar 1947; the sign test on discordant pairs): the probability of a split
// at least as uneven as wins : losses if both ways were equally likely. Ties do not enter. No discordant pair
// gives 1.
double mcnemar_exact_p(size_t wins, size_t losses);

// Score-based interval of p_a - p_b from pairs (Newcombe 1998, Stat Med 17:2635, method 10).
// both: pairs that both pass; wins: only a; losses: only b; neither: none. All zero gives [-1, 1].
Interval paired_difference_interval(size_t both, size_t wins, size_t losses, size_t neither,
                                    double confidence = 0.95);

// The smallest number of discordant pairs, all going one way, at which mcnemar_exact_p <= alpha (6 at 0.05).
size_t fewest_one_sided_pairs(double alpha = 0.05);

// The smallest true difference in pass rate that n paired examples find with probability `power` at level
// `alpha`, in the kindest case: every discordant pair goes the same way. With k =
// fewest_one_sided_pairs(alpha) it is the d with P(Binomial(n, d) >= k) = power. When pairs go both ways more
// is needed, so nothing smaller could have been found. Nothing when n < k: no outcome at all would be
// significant. (Power of paired comparisons: Card et al. 2020, arXiv 2010.06595.)
std::optional<double> smallest_detectable(size_t n, double alpha = 0.05, double power = 0.8);

// p values adjusted for being several (Holm 1979), in the order given: reject where adjusted <= alpha.
std::vector<double> holm(std::span<const double> p);

// The level that Holm holds each p to, in the order given: the smallest of n to alpha / n; once that is rejected the next
// to alpha / (n - 1), and so on. Behind the first that is not rejected all have its level.
std::vector<double> holm_levels(std::span<const double> p, double alpha);

}  // namespace lora
