#include "run/data_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "data/full_check.h"
#include "text/check_with_model.h"

namespace lora {
namespace {

std::string place(const CheckReport& report, const Finding& finding) {
  return fmt::format("{}:{}:{}", report.summary.name, finding.line, finding.column);
}

}  // namespace

CheckReport check_training_data(const RunConfig& config, const TextSession& session) {
  FullCheckOptions options;
  options.data = config.train_data;
  options.against = config.eval_data;
  options.check.rows.text_field = config.dataset_text_field;
  options.check.max_seq_length = static_cast<size_t>(config.max_seq_length);
  options.check.ignored = {config.check_ignore.begin(), config.check_ignore.end()};
  check_with_model(session, options.check);
  CheckReport report = full_check(options).report;
  const auto error = std::ranges::find(report.findings, Severity::kError, &Finding::severity);
  if (error == report.findings.end()) return report;
  std::string fix = error->fix;
  if (!fix.empty() && !fix.ends_with('.')) fix += '.';
  throw Error::input(
      {.where = place(report, *error),
       .found = fmt::format("{} [{}]", error->message, error->code),
       .fix = fmt::format("{} `lora check {}` shows all {} errors; check_ignore = [\"{}\"] lets it pass.",
                          fix, config.train_data, report.summary.errors, error->code)});
}

std::vector<std::string> findings_in_lines(const CheckReport& report) {
  struct Group {
    const Finding* first;
    size_t count;
  };
  std::vector<Group> groups;
  for (const Finding& finding : report.findings) {
    if (finding.severity == Severity::kNote) continue;
    const auto group =
        std::ranges::find_if(groups, [&](const Group& g) { return g.first->code == finding.code; });
    if (group == groups.end())
      groups.push_back({&finding, 1});
    else
      ++group->count;
  }
  std::ranges::stable_sort(groups, std::greater<>(), &Group::count);
  std::vector<std::string> lines;
  for (const auto& [first, count] : groups)
    lines.push_back(
        fmt::format("{} × {}, first {}: {}", count, first->code, place(report, *first), first->message));
  return lines;
}

}  // namespace lora
