#include "eval/metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "eval/learned_format.h"

namespace lora {
namespace {

std::vector<std::string> last_answers(std::span<const Conversation> rows) {
  std::vector<std::string> answers;
  for (const Conversation& row : rows)
    if (!row.messages.empty()) answers.push_back(row.messages.back().content);
  return answers;
}

Metric own(const std::string& name, const std::string& type, std::unique_ptr<Check> check) {
  Metric metric;
  metric.check.name = name;
  metric.check.type = type;
  metric.check.check = std::move(check);
  return metric;
}

std::string in_words(const DeclaredCheck& check, std::string_view why) {
  return fmt::format("\"{}\" ({}) decides, {}.", check.name, check.type, why);
}

}  // namespace

bool Metrics::decides(const Conversation& row) const {
  if (primary.name != kInstructionFollowing) return metrics.front().check.applies_to(row);
  return std::any_of(metrics.begin(), metrics.end(), [&](const Metric& metric) {
    return metric.declared && metric.check.check->is_format() && metric.check.applies_to(row);
  });
}

bool Metrics::is_score() const {
  return primary.name != kInstructionFollowing && metrics.front().check.check->is_score();
}

Metrics choose_metrics(const DeclaredChecks& declared, std::span<const Conversation> test,
                       std::span<const Conversation> training_rows) {
  const std::vector<std::string> references = last_answers(test);
  Metrics chosen;
  for (const DeclaredCheck& check : declared.checks) chosen.metrics.push_back({check, true});
  const auto first = [&](auto is) { return std::find_if(chosen.metrics.begin(), chosen.metrics.end(), is); };
  const auto decide = [&](auto metric, std::string_view why) {
    chosen.primary = {metric->check.name, metric->check.type, in_words(metric->check, why)};
    std::rotate(chosen.metrics.begin(), metric, metric + 1);
  };
  auto deciding = first([](const Metric& metric) { return metric.check.primary; });
  if (deciding != chosen.metrics.end()) {
    decide(deciding, "as the configuration says");
  } else {
    chosen.primary = choose_primary_metric(references);
    const bool form_alone = chosen.primary.check == "format";
    deciding = first([](const Metric& metric) { return !metric.check.check->is_format(); });
    if (!form_alone) {
      chosen.metrics.insert(chosen.metrics.begin(),
                            own(chosen.primary.name, chosen.primary.check, make_check(chosen.primary.check)));
    } else if (deciding != chosen.metrics.end()) {
      decide(deciding, "since the references are free text and it is the first check of content");
    } else if (!chosen.metrics.empty()) {
      chosen.primary = {
          std::string(kInstructionFollowing), std::string(kInstructionFollowing),
          "The declared checks are all of form, so an answer counts when it passes every one that "
          "applies; whether the content is right needs a judge or people."};
    } else {
      const std::vector<std::string> answers =
          training_rows.empty() ? references : last_answers(training_rows);
      chosen.metrics.push_back(own(chosen.primary.name, "format", make_format_check(learn_format(answers))));
    }
  }
  if (declared.empty()) {
    if (chosen.primary.check == "json_fields")
      chosen.metrics.push_back(own("json_valid", "json_valid", make_check("json_valid")));
    chosen.metrics.push_back(own("exact", "exact", make_check("exact")));
  }
  if (std::none_of(test.begin(), test.end(), [&](const Conversation& row) { return chosen.decides(row); })) {
    const bool one = chosen.primary.name != kInstructionFollowing;
    throw Error::input({.where = one ? chosen.metrics.front().check.place : declared.checks.front().place,
                        .found = fmt::format("\"{}\" decides, but applies to none of the {} held-out rows",
                                             chosen.primary.name, test.size()),
                        .expected = "a system, system_contains or tag that some held-out rows have"});
  }
  return chosen;
}

}  // namespace lora
