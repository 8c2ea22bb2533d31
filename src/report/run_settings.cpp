#include <fmt/format.h>

#include <algorithm>

#include "base/progress.h"
#include "report/html.h"
#include "report/run_sections.h"

namespace lora {
namespace {

std::string row(const std::string& name, const std::string& value) {
  return fmt::format("<tr><td>{}</td><td class=\"number\">{}</td></tr>\n", html_text(name), html_text(value));
}

// What it took, beside what was foreseen where a plan is there.
std::string actual_table(const RunRecord& run) {
  if (run.steps.empty()) return {};
  size_t tokens = 0, supervised = 0, unique = 0, memory = 0;
  for (const TrainingStep& step : run.steps) {
    tokens += step.tokens;
    supervised += step.supervised_tokens;
    unique += step.unique_tokens;
    memory = std::max(memory, step.peak_memory_bytes);
  }
  if (run.end) memory = std::max(memory, run.end->peak_memory_bytes);
  const double seconds = run.end && run.end->seconds > 0 ? run.end->seconds : run.steps.back().seconds;
  const double speed = seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  const std::optional<RunPlan>& plan = run.plan;
  std::string rows;
  const auto add = [&](const std::string& name, const std::string& planned, const std::string& actual) {
    rows += fmt::format("<tr><td>{}</td>", html_text(name));
    if (plan) rows += fmt::format("<td class=\"number\">{}</td>", html_text(planned));
    rows += fmt::format("<td class=\"number\">{}</td></tr>\n", html_text(actual));
  };
  const auto planned = [&](std::optional<double> RunPlan::*part, auto text) {
    return plan && (*plan).*part ? text(*((*plan).*part)) : std::string("–");
  };
  add("time of training", planned(&RunPlan::seconds, duration_text), duration_text(seconds));
  add("tokens a second",
      planned(&RunPlan::tokens_per_second, [](double v) { return grouped_number(static_cast<size_t>(v)); }),
      grouped_number(static_cast<size_t>(speed)));
  add("peak memory", planned(&RunPlan::peak_memory_bytes, bytes_text),
      bytes_text(static_cast<double>(memory)));
  add("steps", "", grouped_number(static_cast<size_t>(run.steps.back().step)));
  add("tokens", "", grouped_number(tokens));
  add("of them in the loss", "", grouped_number(supervised));
  if (unique < tokens)
    add("computed, shared beginnings once", "",
        fmt::format("{} ({:.0f} % fewer)", grouped_number(unique),
                    100 * (1 - static_cast<double>(unique) / static_cast<double>(tokens))));
  if (run.end && run.end->loss_full_precision && run.end->loss_4bit) {
    const double full = *run.end->loss_full_precision, four_bit = *run.end->loss_4bit;
    add("loss of the base, full precision", "", fmt::format("{:.4f}", full));
    add("… in 4 bits", "", fmt::format("{:.4f} ({:+.4f})", four_bit, four_bit - full));
  }
  return fmt::format(
      "<h3>{}</h3><div class=\"scroll\"><table class=\"short\"><thead><tr><th></th>{}<th "
      "class=\"number\">{}</th></tr></thead>"
      "<tbody>\n{}</tbody></table></div>",
      plan ? "Plan and actual" : "What it took", plan ? "<th class=\"number\">plan</th>" : "",
      plan ? "actual" : "", rows);
}

// Where the planned memory goes.
std::string memory_table(const RunPlan& plan) {
  if (plan.memory.empty()) return {};
  std::string rows;
  for (const auto& [name, bytes] : plan.memory) rows += row(name, bytes_text(bytes));
  if (plan.peak_memory_bytes) rows += row("together", bytes_text(*plan.peak_memory_bytes));
  std::string out = "<h3>Planned memory</h3><table class=\"short\"><tbody>\n" + rows + "</tbody></table>";
  if (!plan.why.empty()) out += fmt::format("<p class=\"soft\">{}</p>", html_data(plan.why));
  return out;
}

std::string split_table(const SplitSizes& split) {
  std::string rows = row("trained on", grouped_number(split.train)) +
                     row("held out to choose the checkpoint", grouped_number(split.valid)) +
                     row("held out for the verdict", grouped_number(split.test));
  if (split.set_aside > 0)
    rows += row("set aside: near duplicates of held-out rows", grouped_number(split.set_aside));
  if (split.golden > 0) rows += row("golden", grouped_number(split.golden));
  std::string out = "<h3>Rows</h3><table class=\"short\"><tbody>\n" + rows + "</tbody></table>";
  if (!split.why.empty()) out += fmt::format("<p class=\"soft\">{}</p>", html_data(split.why));
  return out;
}

std::string list(std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string out = fmt::format("<h3>{}</h3><ul>", title);
  for (const std::string& line : lines) out += fmt::format("<li>{}</li>", html_data(line));
  return out + "</ul>";
}

std::string settings_table(const RunRecord& run) {
  std::string rows;
  for (const auto& [key, value] : run.config)
    rows += fmt::format("<tr><td><code>{}</code></td><td>{}</td></tr>\n", html_text(key), html_data(value));
  if (run.threads > 0) rows += fmt::format("<tr><td>threads used</td><td>{}</td></tr>\n", run.threads);
  if (!run.version.empty())
    rows += fmt::format("<tr><td>lora.cpp</td><td>{}</td></tr>\n", html_data(run.version));
  if (!run.run_hash.empty())
    rows += fmt::format("<tr><td>run hash</td><td><code>{}</code></td></tr>\n", html_data(run.run_hash));
  if (rows.empty()) return {};
  return "<details class=\"settings\"><summary>All settings</summary><table class=\"short\"><tbody>\n" +
         rows + "</tbody></table></details>";
}

}  // namespace

std::string run_settings_html(const RunRecord& run) {
  std::string out =
      list("Warnings", run.end ? run.end->warnings : std::vector<std::string>{}) + list("Notes", run.notes);
  if (run.plan) out += list("Notes on the configuration", run.plan->notes);
  out += "<div class=\"columns\"><div>" + actual_table(run) + (run.plan ? memory_table(*run.plan) : "") +
         "</div><div>" + (run.split ? split_table(*run.split) : "") + "</div></div>";
  return out + settings_table(run);
}

}  // namespace lora
