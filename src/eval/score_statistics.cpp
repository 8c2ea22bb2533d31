#include "eval/score_statistics.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random.h"
#include "eval/bisect.h"

namespace lora {
namespace {

constexpr size_t kMostEnumerated = 32;  // two halves of 2^16 sums
constexpr size_t kPatterns = 99999;
constexpr size_t kFewestUnlike = 5;   // with fewer values apart from the commonest, resamples hardly spread
constexpr double kNegligible = 1e-3;  // of the range of a score
constexpr uint64_t kBootstrapStream = 0x626f6f74, kPermutationStream = 0x7065726d;

double normal_cdf(double z) {
  return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

// numpy.percentile's default: linear between the two nearest order statistics. `sorted` is not empty.
double interpolated(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(place));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// How many values are not, up to `negligible`, the one that most of them are.
size_t unlike_the_commonest(std::span<const double> values, double negligible) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  size_t most = 0, first = 0;
  for (size_t last = 0; last < sorted.size(); ++last) {
    while (sorted[last] - sorted[first] > negligible) ++first;
    most = std::max(most, last - first + 1);
  }
  return sorted.size() - most;
}

// All 2^n signed sums of the values, sorted.
std::vector<double> signed_sums(std::span<const double> values) {
  std::vector<double> sums{0};
  for (const double value : values) {
    const size_t count = sums.size();
    for (size_t i = 0; i < count; ++i) {
      sums.push_back(sums[i] + value);
      sums[i] -= value;
    }
  }
  std::sort(sums.begin(), sums.end());
  return sums;
}

// Pairs (x, y) with x + y >= bound, both lists sorted.
double pairs_from(std::span<const double> xs, std::span<const double> ys, double bound) {
  double count = 0;
  size_t first = ys.size();  // ys[first …] are those that reach the bound with x; grows down as x grows
  for (const double x : xs) {
    while (first > 0 && x + ys[first - 1] >= bound) --first;
    count += static_cast<double>(ys.size() - first);
  }
  return count;
}

// t >= 0 of noncentral_t_cdf: Phi(-delta) and a Poisson mixture of incomplete beta functions.
double upper_half(double t, double df, double delta) {
  double sum = normal_cdf(-delta);
  if (t <= 0) return sum;
  const double x = t * t / (t * t + df), half = delta * delta / 2;
  // From the middle of the Poisson weights outwards would be needed only for huge delta; here delta stays below 40.
  double even = 0.5 * std::exp(-half);                                     // of I_x(j + 1/2, df / 2)
  double odd = delta * std::exp(-half) / std::sqrt(2 * std::numbers::pi);  // of I_x(j + 1, df / 2)
  for (int j = 0; j < 5000; ++j) {
    sum += even * incomplete_beta(j + 0.5, df / 2, x) + odd * incomplete_beta(j + 1.0, df / 2, x);
    even *= half / (j + 1);
    odd *= half / (j + 1.5);
    if (j > half && 2 * even < 1e-15 && std::abs(odd) < 1e-15) break;
  }
  return std::clamp(sum, 0.0, 1.0);
}

}  // namespace

double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

double sample_deviation(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double mean = mean_of(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

std::vector<double> resample_means(std::span<const double> values, uint64_t seed, size_t resamples) {
  Random random(seed, kBootstrapStream);
  std::vector<double> means(resamples);
  for (double& mean : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[random.below(values.size())];
    mean = sum / static_cast<double>(values.size());
  }
  return means;
}

Interval bca_interval(std::span<const double> values, std::vector<double> means, double confidence) {
  const double mean = mean_of(values);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  if (*least == *most) return {*least, *least};
  std::sort(means.begin(), means.end());
  // Sums in another order differ by rounding: such means are equal.
  const double rounding = 1e-14 * std::max(std::abs(*least), std::abs(*most));
  const auto below = std::lower_bound(means.begin(), means.end(), mean - rounding) - means.begin();
  const auto not_above = std::upper_bound(means.begin(), means.end(), mean + rounding) - means.begin();
  const double share = static_cast<double>(below + not_above) / (2 * static_cast<double>(means.size()));
  // All on one side: no finite bias; then it is the plain percentile interval.
  const double bias = share > 0 && share < 1 ? normal_quantile(share) : 0;
  // Jackknife means are (n mean - x) / (n - 1), so their deviations from their mean are (x - mean) / (n - 1).
  double cubes = 0, squares = 0;
  for (const double value : values) {
    const double u = value - mean;
    cubes += u * u * u;
    squares += u * u;
  }
  const double acceleration = cubes / (6 * std::pow(squares, 1.5));
  const auto end = [&](double tail) {
    const double z = bias + normal_quantile(tail);
    return interpolated(means, normal_cdf(bias + z / (1 - acceleration * z)));
  };
  return {end((1 - confidence) / 2), end((1 + confidence) / 2)};
}

Interval mean_interval(std::span<const double> values, double low, double high, uint64_t seed,
                       double confidence) {
  if (values.empty()) return {low, high};
  const Interval resampled = bca_interval(values, resample_means(values, seed), confidence);
  if (unlike_the_commonest(values, kNegligible * (high - low)) >= kFewestUnlike) return resampled;
  // What no value shows may yet come (Hanley and Lippman-Hand 1983: 0 of n); resamples hold only what there is.
  const double mean = mean_of(values), unseen = wilson_interval(0, values.size(), confidence).high;
  return {std::min(resampled.low, mean - unseen * (mean - low)),
          std::max(resampled.high, mean + unseen * (high - mean))};
}

PermutationTest paired_permutation(std::span<const double> differences, uint64_t seed) {
  std::vector<double> sizes;
  double observed = 0, largest = 0;
  for (const double d : differences) {
    if (d == 0) continue;
    sizes.push_back(std::abs(d));
    observed += d;
    largest += std::abs(d);
  }
  if (sizes.empty()) return {};
  // Sums that are equal but for the order of adding count as equal.
  const double bound = std::abs(observed) - 1e-12 * largest;
  if (bound <= 0) return {1, sizes.size() <= kMostEnumerated};
  if (sizes.size() <= kMostEnumerated) {
    const std::span<const double> all(sizes);
    const std::vector<double> xs = signed_sums(all.first(sizes.size() / 2)),
                              ys = signed_sums(all.subspan(sizes.size() / 2));
    const double patterns = std::ldexp(1.0, static_cast<int>(sizes.size()));
    return {std::min(1.0, 2 * pairs_from(xs, ys, bound) / patterns), true};
  }
  Random random(seed, kPermutationStream);
  size_t as_far = 1;  // the observed pattern
  for (size_t k = 0; k < kPatterns; ++k) {
    double sum = 0;
    uint64_t bits = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (i % 64 == 0) bits = random.next();
      sum += (bits >> (i % 64) & 1) != 0 ? sizes[i] : -sizes[i];
    }
    as_far += std::abs(sum) >= bound;
  }
  return {static_cast<double>(as_far) / static_cast<double>(kPatterns + 1), false};
}

double noncentral_t_cdf(double t, double df, double delta) {
  return t >= 0 ? upper_half(t, df, delta) : 1 - upper_half(-t, df, -delta);
}

double student_t_quantile(double p, double df) {
  if (p < 0.5) return -student_t_quantile(1 - p, df);
  // P(T > t) = I_{df / (df + t²)}(df / 2, 1/2) / 2
  return bisect([&](double t) { return 1 - incomplete_beta(df / 2, 0.5, df / (df + t * t)) / 2; }, p, 0, 1e8);
}

std::optional<double> smallest_detectable_mean(size_t n, double deviation, double alpha, double power) {
  if (n < 2 || !(deviation > 0)) return std::nullopt;
  const double root = std::sqrt(static_cast<double>(n)), df = static_cast<double>(n - 1);
  const double critical = student_t_quantile(1 - alpha / 2, df);
  const auto found = [&](double effect) {
    const double delta = effect * root;
    return 1 - noncentral_t_cdf(critical, df, delta) + noncentral_t_cdf(-critical, df, delta);
  };
  // With two examples the critical value is 12.7, and effects of 20 deviations are what it takes.
  const double effect = bisect(found, power, 0, 36 / root);
  return effect * deviation;
}

}  // namespace lora
