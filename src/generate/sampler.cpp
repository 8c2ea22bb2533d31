#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"

namespace lora {

void validate(const SamplingOptions& o) {
  const auto refuse = [](const std::string& key, double value, const std::string& expected) {
    throw Error::input({.where = key, .found = key + " is " + std::to_string(value), .expected = expected});
  };
  if (!(o.temperature >= 0 && o.temperature <= 100))
    refuse("temperature", o.temperature, "0 (greedy) to 100");
  if (!(o.top_p > 0 && o.top_p <= 1)) refuse("top_p", o.top_p, "above 0, at most 1");
  if (o.top_k < 0) refuse("top_k", static_cast<double>(o.top_k), "0 (off) or more");
}

int32_t sample(const float* logits, int64_t vocab, const SamplingOptions& options, Random& random) {
  if (options.temperature == 0)
    return static_cast<int32_t>(std::max_element(logits, logits + vocab) - logits);

  std::vector<int32_t> order(static_cast<size_t>(vocab));
  std::iota(order.begin(), order.end(), 0);
  const auto likelier = [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  size_t kept = order.size();
  if (options.top_k > 0) kept = std::min(kept, static_cast<size_t>(options.top_k));
  if (kept < order.size() || options.top_p < 1)
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                      likelier);
  const float top =
      logits[*std::min_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), likelier)];

  std::vector<double> weight(kept);
  for (size_t i = 0; i < kept; ++i)
    weight[i] = std::exp((static_cast<double>(logits[order[i]]) - top) / options.temperature);
  double sum = std::accumulate(weight.begin(), weight.end(), 0.0);
  if (options.top_p < 1) {
    double reached = 0;
    size_t n = 0;
    while (n < kept && reached < options.top_p * sum) reached += weight[n++];
    kept = std::max<size_t>(n, 1);
    sum = reached;
  }
  double at = random.uniform() * sum;
  for (size_t i = 0; i < kept; ++i) {
    at -= weight[i];
    if (at < 0) return order[i];
  }
  return order[kept - 1];
}

}  // namespace lora
