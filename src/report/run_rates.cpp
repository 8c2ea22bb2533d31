#include <fmt/format.h>

#include <algorithm>

#include "report/charts.h"
#include "report/html.h"
#include "report/run_sections.h"

namespace lora {
namespace {

std::string metric_title(const EvaluationRecord& evaluation, const MetricRecord& metric) {
  const bool decides = metric.name == evaluation.primary && evaluation.decided_by.empty();
  return metric.name + (decides ? " (decides)" : "");
}

std::string metric_card(const EvaluationRecord& evaluation, const MetricRecord& metric) {
  std::vector<Bar> bars;
  size_t n = 0;
  for (size_t c = 0; c < evaluation.contestants.size(); ++c) {
    const std::string& name = evaluation.contestants[c];
    const auto of = evaluation.rates.find(name);
    if (of == evaluation.rates.end() || !of->second.contains(metric.name)) continue;
    const RateRecord& rate = of->second.at(metric.name);
    n = rate.n;
    const auto passes = static_cast<size_t>(rate.value * static_cast<double>(rate.n) + 0.5);
    bars.push_back({.label = contestant_label(name),
                    .value = rate.value,
                    .text = metric.is_score ? fmt::format("{:.3f}", rate.value)
                                            : fmt::format("{} of {} ({})", grouped_number(passes),
                                                          grouped_number(rate.n), percent(rate.value)),
                    .low = rate.low,
                    .high = rate.high,
                    .color = contestant_color(name, c),
                    .hint = fmt::format("95 % interval: {:.3f} to {:.3f}", rate.low, rate.high)});
  }
  if (bars.empty()) return {};
  std::string intervals;
  for (const Bar& bar : bars)
    intervals +=
        fmt::format("{}{}: {} to {}", intervals.empty() ? "" : "; ", bar.label,
                    share_or_score(*bar.low, metric.is_score), share_or_score(*bar.high, metric.is_score));
  return html_card(metric_title(evaluation, metric), bar_list(bars, 1),
                   fmt::format("{}n = {}. 95 %: {}.", metric.is_score ? "Mean score. " : "",
                               grouped_number(n), intervals));
}

std::string field_in_words(const FieldRecord& field) {
  std::string out =
      fmt::format("right in {} of {}; {} answers have it", field.correct, field.expected, field.answered);
  if (field.expected == 0 || field.answered == 0) return out;
  const auto correct = static_cast<double>(field.correct);
  return out + fmt::format("; precision {:.2f}, recall {:.2f}, F1 {:.2f}",
                           correct / static_cast<double>(field.answered),
                           correct / static_cast<double>(field.expected),
                           2 * correct / static_cast<double>(field.expected + field.answered));
}

}  // namespace

std::string rates_html(const EvaluationRecord& evaluation) {
  std::string cards;
  for (const MetricRecord& metric : evaluation.metrics) cards += metric_card(evaluation, metric);
  if (cards.empty()) return {};
  return "<div class=\"cards\">" + cards +
         fmt::format(
             "</div><p class=\"soft\">Whiskers are 95 % intervals. {} decides; the others describe.</p>",
             evaluation.decided_by.empty() ? "One metric" : "The judge") +
         costs_html(evaluation);
}

std::string comparisons_html(const EvaluationRecord& evaluation) {
  if (evaluation.comparisons.empty()) return {};
  std::string rows;
  for (const ComparisonRecord& pair : evaluation.comparisons) {
    const double n = static_cast<double>(std::max<size_t>(1, pair.n()));
    const auto part = [&](size_t count, std::string_view css) {
      return count == 0 ? std::string()
                        : fmt::format("<span class=\"{}\" style=\"width:{:.2f}%\"></span>", css,
                                      100 * static_cast<double>(count) / n);
    };
    rows += fmt::format(
        "<tr><td>{} against {}</td><td><code>{}</code></td><td class=\"balance\"><div "
        "aria-hidden=\"true\">{}{}{}</div></td>"
        "<td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td "
        "class=\"number\">{}</td></tr>\n",
        html_data(contestant_label(pair.a)), html_data(contestant_label(pair.b)), html_text(pair.metric),
        part(pair.wins, "win"), part(pair.ties, "tie"), part(pair.losses, "loss"), grouped_number(pair.wins),
        grouped_number(pair.losses), grouped_number(pair.ties),
        html_text(p_in_words(pair.p_adjusted.value_or(pair.p)).substr(4)));
  }
  return fmt::format(
      "<div class=\"scroll\"><table><thead><tr><th>Pair</th><th>Metric</th><th>wins, ties, losses</th><th "
      "class=\"number\">wins</th><th "
      "class=\"number\">losses</th><th class=\"number\">ties</th><th "
      "class=\"number\">p</th></tr></thead><tbody>\n{}</tbody></table></div>"
      "<p class=\"soft\">Paired by example: a win is an example that the first does better than the second. "
      "p is two-sided, "
      "after Holm where several are tested together; on all but the metric that decides it only "
      "describes.</p>",
      rows);
}

std::string fields_html(const EvaluationRecord& evaluation) {
  if (evaluation.fields.empty()) return {};
  std::vector<std::string> names;
  for (const auto& [contestant, fields] : evaluation.fields)
    for (const FieldRecord& field : fields)
      if (std::ranges::find(names, field.name) == names.end()) names.push_back(field.name);
  std::vector<std::string> contestants;
  for (const std::string& name : evaluation.contestants)
    if (evaluation.fields.contains(name)) contestants.push_back(name);
  std::string head = "<th>Field</th><th class=\"number\">in references</th>";
  for (const std::string& name : contestants)
    head += fmt::format("<th class=\"number\">{}</th>", html_data(contestant_label(name)));
  std::string rows;
  for (const std::string& name : names) {
    size_t expected = 0;
    std::string cells;
    for (const std::string& contestant : contestants) {
      const auto& fields = evaluation.fields.at(contestant);
      const auto found = std::ranges::find(fields, name, &FieldRecord::name);
      if (found == fields.end()) {
        cells += "<td class=\"number\"></td>";
        continue;
      }
      expected = std::max(expected, found->expected);
      const double share = found->expected == 0
                               ? 0
                               : static_cast<double>(found->correct) / static_cast<double>(found->expected);
      cells +=
          fmt::format("<td class=\"number heat\" style=\"--share:{:.3f}\" title=\"{}\">{}</td>", share,
                      html_text(field_in_words(*found)),
                      found->expected == 0 ? fmt::format("extra in {}", found->answered) : percent(share));
    }
    rows += fmt::format("<tr><td><code>{}</code></td><td class=\"number\">{}</td>{}</tr>\n", html_data(name),
                        grouped_number(expected), cells);
  }
  return fmt::format(
      "<div class=\"scroll\"><table "
      "class=\"fields\"><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div><p class=\"soft\">Share "
      "of the references that have the field in which the answer has the same value. An answer that is no "
      "JSON has no "
      "field right.</p>",
      head, rows);
}

}  // namespace lora
