#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "eval/bisect.h"

namespace lora {
namespace {

// The continued fraction of I_x(a, b) by Lentz's method; converges fast for x < (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto guarded = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1;
  double d = 1 / guarded(1 - (a + b) * x / (a + 1));
  double value = d;
  for (int m = 1; m < 100000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guarded(1 + even * d);
    c = guarded(1 + even / c);
    value *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guarded(1 + odd * d);
    c = guarded(1 + odd / c);
    const double step = d * c;
    value *= step;
    if (std::abs(step - 1) < 1e-16) break;
  }
  return value;
}

std::vector<size_t> from_small_to_large(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return p[x] < p[y]; });
  return order;
}

}  // namespace

double normal_quantile(double p) {
  // In the lower half, where erfc keeps its relative precision.
  if (p > 0.5) return -normal_quantile(1 - p);
  return bisect([](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }, p, -40, 0);
}

double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double log_front =
      std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x);
  const double front = std::exp(log_front);
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

Interval wilson_interval(size_t successes, size_t n, double confidence) {
  if (n == 0) return {0, 1};
  const double z = normal_quantile(0.5 + confidence / 2);
  const auto count = static_cast<double>(n);
  const double p = static_cast<double>(successes) / count;
  const double denominator = 1 + z * z / count;
  const double center = (p + z * z / (2 * count)) / denominator;
  const double half = z / denominator * std::sqrt(p * (1 - p) / count + z * z / (4 * count * count));
  // At the ends the formula gives 0 and 1 up to rounding.
  return {successes == 0 ? 0 : std::max(0.0, center - half),
          successes == n ? 1 : std::min(1.0, center + half)};
}

Interval clopper_pearson_interval(size_t successes, size_t n, double confidence) {
  if (n == 0) return {0, 1};
  const double tail = (1 - confidence) / 2;
  const auto k = static_cast<double>(successes), count = static_cast<double>(n);
  Interval interval{0, 1};
  if (successes > 0)
    interval.low = bisect([&](double x) { return incomplete_beta(k, count - k + 1, x); }, tail, 0, 1);
  if (successes < n)  // 1 - I_x(k + 1, n - k) = I_{1-x}(n - k, k + 1), kept as a small tail for precision
    interval.high = 1 - bisect([&](double y) { return incomplete_beta(count - k, k + 1, y); }, tail, 0, 1);
  return interval;
}

double mcnemar_exact_p(size_t wins, size_t losses) {
  const size_t n = wins + losses, fewer = std::min(wins, losses);
  if (n == 0 || wins == losses) return 1;
  const auto count = static_cast<double>(n);
  // Binomial terms from the largest down, relative to it: they shrink, so the sum is exact to rounding.
  double term = 1, sum = 1;
  for (size_t k = fewer; k > 0; --k) {
    term *= static_cast<double>(k) / static_cast<double>(n - k + 1);
    sum += term;
    if (term < sum * 1e-18) break;
  }
  const double log_largest = std::lgamma(count + 1) - std::lgamma(static_cast<double>(fewer) + 1) -
                             std::lgamma(static_cast<double>(n - fewer) + 1) - count * std::log(2.0);
  return std::min(1.0, 2 * sum * std::exp(log_largest));
}

Interval paired_difference_interval(size_t both, size_t wins, size_t losses, size_t neither,
                                    double confidence) {
  const size_t n = both + wins + losses + neither;
  if (n == 0) return {-1, 1};
  const auto a = static_cast<double>(both), b = static_cast<double>(wins), c = static_cast<double>(losses),
             d = static_cast<double>(neither), count = static_cast<double>(n);
  const double p1 = (a + b) / count, p2 = (a + c) / count;
  const Interval i1 = wilson_interval(both + wins, n, confidence),
                 i2 = wilson_interval(both + losses, n, confidence);
  const double margins = (a + b) * (c + d) * (a + c) * (b + d);
  double covariance = a * d - b * c;
  if (covariance > 0)
    covariance = std::max(0.0, covariance - count / 2);  // the paper's continuity correction
  const double phi = margins > 0 ? covariance / std::sqrt(margins) : 0;
  const auto distance = [phi](double x, double y) {
    return std::sqrt(std::max(0.0, x * x - 2 * phi * x * y + y * y));
  };
  return {std::max(-1.0, p1 - p2 - distance(p1 - i1.low, i2.high - p2)),
          std::min(1.0, p1 - p2 + distance(i1.high - p1, p2 - i2.low))};
}

size_t fewest_one_sided_pairs(double alpha) {
  size_t k = 1;
  while (mcnemar_exact_p(k, 0) > alpha && k < 1100) ++k;  // 2^-1100 is below every double
  return k;
}

std::optional<double> smallest_detectable(size_t n, double alpha, double power) {
  const size_t k = fewest_one_sided_pairs(alpha);
  if (n < k) return std::nullopt;
  const auto needed = static_cast<double>(k), count = static_cast<double>(n);
  // P(Binomial(n, d) >= k) = I_d(k, n - k + 1)
  return bisect([&](double d) { return incomplete_beta(needed, count - needed + 1, d); }, power, 0, 1);
}

std::vector<double> holm(std::span<const double> p) {
  const std::vector<size_t> order = from_small_to_large(p);
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
    adjusted[order[i]] = largest;
  }
  return adjusted;
}

std::vector<double> holm_levels(std::span<const double> p, double alpha) {
  const std::vector<size_t> order = from_small_to_large(p);
  std::vector<double> levels(p.size());
  double level = 0;
  bool rejected = true;
  for (size_t i = 0; i < order.size(); ++i) {
    if (rejected) level = alpha / static_cast<double>(p.size() - i);
    rejected = rejected && p[order[i]] <= level;
    levels[order[i]] = level;
  }
  return levels;
}

}  // namespace lora
