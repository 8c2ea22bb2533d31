#include "report/review_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"

namespace lora {
namespace {

size_t contestant(const EvaluationRecord& evaluation, const std::string& name, std::string_view option) {
  if (const auto found = evaluation.contestant(name)) return *found;
  throw Error::input({.where = std::string(option),
                      .found = fmt::format("the run has no contestant \"{}\"", name),
                      .expected = fmt::format("one of {}", fmt::join(evaluation.contestants, ", "))});
}

}  // namespace

ReviewPlan plan_review(const EvaluationRecord& evaluation, const ReviewOptions& options) {
  const size_t a = contestant(evaluation, options.a, "--a"), b = contestant(evaluation, options.b, "--b");
  if (a == b)
    throw Error::input({.where = "--b",
                        .found = fmt::format("\"{}\" would be compared with itself", options.b),
                        .fix = "Name two contestants with --a and --b."});
  const std::string named =
      sha256_hex(fmt::format("{} {} {} {}", answers_digest(evaluation), options.a, options.b, options.seed));
  ReviewPlan plan{.options = options, .key = named.substr(0, 16), .items = {}};
  std::vector<size_t> asked;
  for (size_t i = 0; i < evaluation.examples.size(); ++i) {
    const AskedExample& example = evaluation.examples[i];
    if (!example.answers[a] || !example.answers[b]) continue;
    if (example.answers[a]->text == example.answers[b]->text)
      ++plan.identical;
    else
      asked.push_back(i);
  }
  if (asked.empty())
    throw Error::input({.where = "review",
                        .found = fmt::format("no answers of {} and {} differ", options.a, options.b),
                        .expected = "examples that people can choose between"});
  Random random(options.seed, std::stoull(plan.key, nullptr, 16));
  for (const size_t at : random.permutation(asked.size()))
    plan.items.push_back({.example = asked[at], .a_is_left = false});
  for (ReviewItem& item : plan.items) item.a_is_left = random.below(2) == 0;
  return plan;
}

}  // namespace lora
