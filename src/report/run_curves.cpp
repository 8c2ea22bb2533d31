#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "report/charts.h"
#include "report/html.h"
#include "report/run_sections.h"

namespace lora {
namespace {

constexpr size_t kMostPoints = 400;

using Points = std::vector<std::pair<double, double>>;

// At most kMostPoints, each the mean of its neighbours.
Points thinned(const Points& points) {
  const size_t each = (points.size() + kMostPoints - 1) / kMostPoints;
  if (each <= 1) return points;
  Points out;
  for (size_t begin = 0; begin < points.size(); begin += each) {
    const size_t end = std::min(points.size(), begin + each);
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) x += points[i].first, y += points[i].second;
    out.emplace_back(x / static_cast<double>(end - begin), y / static_cast<double>(end - begin));
  }
  return out;
}

Points by_step(const RunRecord& run, const std::function<double(const TrainingStep&)>& value) {
  Points points;
  for (const TrainingStep& step : run.steps) points.emplace_back(step.step, value(step));
  return thinned(points);
}

std::string loss_card(const RunRecord& run) {
  Points held_out;
  for (const TrainingStep& step : run.steps)
    if (step.eval_loss) held_out.emplace_back(step.step, *step.eval_loss);
  LineChart chart{.description = "", .x_label = "step", .y_label = "loss", .series = {}};
  chart.series.push_back({"training", by_step(run, [](const TrainingStep& s) { return s.loss; })});
  if (!held_out.empty()) chart.series.push_back({"held-out", thinned(held_out)});
  std::string words =
      fmt::format("Training loss from {:.3f} to {:.3f} in {} steps.", run.steps.front().loss,
                  run.steps.back().loss, grouped_number(static_cast<size_t>(run.steps.back().step)));
  if (!held_out.empty()) {
    const auto best = std::min_element(held_out.begin(), held_out.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    words += fmt::format(" Held-out loss is lowest at step {:g}: {:.3f}.", best->first, best->second);
    if (run.end && run.end->best_step > 0) {
      chart.marker = static_cast<double>(run.end->best_step);
      chart.marker_label = "kept";
    }
    if (best + 1 < held_out.end() && held_out.back().second > best->second * 1.02)
      words += fmt::format(" It ended at {:.3f}.", held_out.back().second);
  }
  chart.description = words;
  return html_card("Loss", line_chart(chart), words);
}

}  // namespace

std::string training_curves_html(const RunRecord& run) {
  if (run.steps.empty()) return {};
  const auto card = [&](const std::string& caption, const std::string& unit, const std::string& words,
                        const std::function<double(const TrainingStep&)>& value) {
    return html_card(caption,
                     line_chart({.description = words,
                                 .x_label = "step",
                                 .y_label = unit,
                                 .series = {{caption, by_step(run, value)}}}),
                     words);
  };
  double most_rate = 0, most_norm = 0;
  for (const TrainingStep& step : run.steps) {
    most_rate = std::max(most_rate, step.learning_rate);
    most_norm = std::max(most_norm, step.grad_norm);
  }
  std::string out = "<div class=\"cards\">" + loss_card(run);
  out += card("Learning rate", "", fmt::format("At most {:.3g}.", most_rate),
              [](const TrainingStep& s) { return s.learning_rate; });
  out += card("Norm of the gradient", "", fmt::format("Before clipping; at most {:.3g}.", most_norm),
              [](const TrainingStep& s) { return s.grad_norm; });
  return out + "</div>";
}

}  // namespace lora
