// Statistics of scores, paired by example: bootstrap intervals, the permutation test, and the smallest mean difference
// that a t test would find. Pure functions of numbers and a seed; passes and failures are in statistics.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "eval/statistics.h"

namespace lora {

inline constexpr size_t kResamples = 10000;

// Means of `resamples` samples of values.size() values drawn with replacement; the same for the same seed everywhere.
// Precondition: there are values.
std::vector<double> resample_means(std::span<const double> values, uint64_t seed,
                                   size_t resamples = kResamples);

// Bias-corrected and accelerated interval of the mean (BCa; Efron 1987), as scipy.stats.bootstrap(method="BCa") makes it
// from the same resampled means: bias from the share below the mean (equal ones half), acceleration from the jackknife,
// ends by linear interpolation. Where all values are equal it is that point.
Interval bca_interval(std::span<const double> values, std::vector<double> means, double confidence = 0.95);

// The interval of a mean score in [low, high] = [0, 1], or of a mean difference in [-1, 1]: bca_interval of kResamples.
// Where fewer than 5 values differ from the commonest, by a thousandth of the range or more, they show hardly any spread,
// but the next may differ: then the interval reaches at least as far as Wilson's for 0 of n does.
Interval mean_interval(std::span<const double> values, double low, double high, uint64_t seed,
                       double confidence = 0.95);

struct PermutationTest {
  double p = 1;
  bool exact = true;
};

// Two-sided paired permutation test of the mean: the share of the 2^n sign patterns of the differences whose sum is as
// far from zero as the observed one. Zeros do not count. Exact up to 32 differences other than zero (two halves are
// enumerated and met), beyond that 99,999 random patterns and the observed one (Phipson and Smyth 2010).
PermutationTest paired_permutation(std::span<const double> differences, uint64_t seed);

// Student's t: P(T <= t) with `df` > 0 degrees of freedom, and non-central with `delta` (Lenth 1989, AS 243; to 1e-10).
double noncentral_t_cdf(double t, double df, double delta);
double student_t_quantile(double p, double df);

// The smallest true mean difference that a two-sided paired t test on n differences of standard deviation `deviation`
// finds with probability `power` at level `alpha`. Nothing for n < 2 or no deviation. (statsmodels: TTestPower)
std::optional<double> smallest_detectable_mean(size_t n, double deviation, double alpha = 0.05,
                                               double power = 0.8);

double mean_of(std::span<const double> values);
double sample_deviation(std::span<const double> values);  // with n - 1; 0 for fewer than two

}  // namespace lora
