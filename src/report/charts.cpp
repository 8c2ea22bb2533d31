#include "report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/html.h"

namespace lora {
namespace {

constexpr double kWidth = 360, kLeft = 40, kRight = 10, kTop = 14;
constexpr size_t kColors = 8;
constexpr size_t kFewPoints = 20;  // of a line: each is marked

std::string open_svg(double height, std::string_view description) {
  return fmt::format("<svg viewBox=\"0 0 {:g} {:g}\" role=\"img\"><title>{}</title>", kWidth, height,
                     html_text(description));
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text,
                    std::string_view css = {}) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>", x, y, anchor,
                     css.empty() ? "" : fmt::format(" class=\"{}\"", css), html_text(text));
}

std::string line(double x1, double y1, double x2, double y2, std::string_view css) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>", x1, y1,
                     x2, y2, css);
}

size_t color_of(size_t i) {
  return i % kColors + 1;
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, size_t wanted) {
  if (!(high > low)) return {low};
  const double rough = (high - low) / static_cast<double>(std::max<size_t>(1, wanted - 1));
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough * 0.999) {
      step = factor * power;
      break;
    }
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i)
    ticks.push_back(i * step + 0.0);  // + 0.0: no -0
  return ticks;
}

std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:.4g}M", value / 1e6);
  if (size >= 1e5) return fmt::format("{:.4g}k", value / 1e3);
  if (size >= 1000 && std::floor(value) == value && value > 0)
    return grouped_number(static_cast<size_t>(value));
  return fmt::format("{:.4g}", value);
}

std::string histogram(const HistogramChart& chart) {
  const double height = 170, bottom = 34, floor = height - bottom;
  std::string out = open_svg(height, chart.description);
  const size_t n = std::max<size_t>(1, chart.bins.size());
  size_t most = 1;
  for (const size_t bin : chart.bins) most = std::max(most, bin);
  const double span = chart.bin_width * static_cast<double>(n);
  const auto x_of = [&](double value) {
    return kLeft + (kWidth - kLeft - kRight) * std::min(1.0, value / span);
  };
  const auto y_of = [&](double count) { return floor - (floor - kTop) * count / static_cast<double>(most); };
  for (const double tick : nice_ticks(0, static_cast<double>(most), 4)) {
    if (std::floor(tick) != tick) continue;
    out += line(kLeft, y_of(tick), kWidth - kRight, y_of(tick), "axis") +
           text_at(kLeft - 5, y_of(tick) + 4, "end", short_number(tick));
  }
  for (size_t i = 0; i < chart.bins.size(); ++i) {
    if (chart.bins[i] == 0) continue;
    const double from = chart.bin_width * static_cast<double>(i), left = x_of(from),
                 right = x_of(from + chart.bin_width);
    const bool open = chart.open_end && i + 1 == chart.bins.size();
    out += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
        "class=\"f1\"><title>{}</title></rect>",
        left + 0.5, y_of(static_cast<double>(chart.bins[i])), std::max(1.0, right - left - 1),
        std::max(1.0, floor - y_of(static_cast<double>(chart.bins[i]))),
        html_text(open ? fmt::format("{} or more: {}", short_number(from), grouped_number(chart.bins[i]))
                       : fmt::format("{} to {}: {}", short_number(from), short_number(from + chart.bin_width),
                                     grouped_number(chart.bins[i]))));
  }
  for (const double tick : nice_ticks(0, span, 5))
    out += text_at(x_of(tick), floor + 14, "middle", short_number(tick));
  out += text_at((kLeft + kWidth - kRight) / 2, height - 4, "middle", chart.unit);
  if (chart.marker && *chart.marker < span) {
    const double x = x_of(*chart.marker);
    out += line(x, kTop - 4, x, floor, "marker") + text_at(x > kWidth / 2 ? x - 4 : x + 4, kTop + 4,
                                                           x > kWidth / 2 ? "end" : "start",
                                                           chart.marker_label, "strong");
  }
  return out + "</svg>";
}

std::string bar_list(const std::vector<Bar>& bars, double full) {
  if (full <= 0)
    for (const Bar& bar : bars) full = std::max({full, bar.value, bar.high.value_or(0)});
  if (full <= 0) full = 1;
  std::string out = "<ul class=\"bars\">";
  for (const Bar& bar : bars) {
    const auto x_of = [&](double value) { return 100 * std::clamp(value / full, 0.0, 1.0); };
    out += fmt::format("<li><span class=\"label\"{}>{}</span>",
                       bar.hint.empty() ? "" : fmt::format(" title=\"{}\"", html_text(bar.hint)),
                       html_data(bar.label));
    out += fmt::format(
        "<svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"track\" "
        "width=\"100\" height=\"10\"/>"
        "<rect class=\"f{}\" width=\"{:.2f}\" height=\"10\"/>",
        color_of(bar.color - 1), x_of(bar.value));
    if (bar.low && bar.high)
      out += fmt::format("<path class=\"interval\" d=\"M{0:.2f} 5H{1:.2f}M{0:.2f} 2V8M{1:.2f} 2V8\"/>",
                         x_of(*bar.low), x_of(*bar.high));
    out += fmt::format("</svg><span class=\"value\">{}</span></li>", html_text(bar.text));
  }
  return out + "</ul>";
}

std::string scatter(const ScatterChart& chart) {
  const double height = 300, margin = 14;
  std::string out = open_svg(height, chart.description);
  const auto x_of = [&](double x) { return kWidth / 2 + (kWidth / 2 - margin) * std::clamp(x, -1.0, 1.0); };
  const auto y_of = [&](double y) { return height / 2 - (height / 2 - margin) * std::clamp(y, -1.0, 1.0); };
  std::vector<std::pair<double, double>> sums(chart.group_labels.size());
  std::vector<size_t> counts(chart.group_labels.size());
  for (const ScatterPoint& p : chart.points) {
    const double x = x_of(p.x), y = y_of(p.y);
    const std::string title = p.hint.empty() ? "" : fmt::format("<title>{}</title>", html_text(p.hint));
    if (p.group < kColors)
      out += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" class=\"f{}\" fill-opacity=\".65\">{}</circle>", x, y,
          color_of(p.group), title);
    else
      out += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"5\" height=\"5\" class=\"f{}\" "
          "fill-opacity=\".65\">{}</rect>",
          x - 2.5, y - 2.5, color_of(p.group), title);
    if (p.group < sums.size()) sums[p.group].first += x, sums[p.group].second += y, ++counts[p.group];
  }
  for (size_t g = 0; g < sums.size(); ++g) {
    if (counts[g] == 0) continue;
    const double x = sums[g].first / static_cast<double>(counts[g]),
                 y = sums[g].second / static_cast<double>(counts[g]);
    out += fmt::format(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" class=\"strong\" "
        "style=\"font-size:13px;paint-order:stroke;stroke:var(--card);stroke-width:4px\">{}</text>",
        x, y + 4, html_text(chart.group_labels[g]));
  }
  return out + "</svg>";
}

std::string line_chart(const LineChart& chart) {
  const double height = 200, bottom = 36, floor = height - bottom;
  double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
  for (const LineSeries& s : chart.series)
    for (const auto& [x, y] : s.points) {
      if (!std::isfinite(x) || !std::isfinite(y)) continue;
      x_low = std::min(x_low, x), x_high = std::max(x_high, x), y_low = std::min(y_low, y),
      y_high = std::max(y_high, y);
    }
  std::string out = open_svg(height, chart.description);
  if (x_low > x_high) return out + text_at(kWidth / 2, height / 2, "middle", "no data") + "</svg>";
  if (y_high - y_low < 1e-12) y_low -= 0.5, y_high += 0.5;
  if (x_high - x_low < 1e-12) x_low -= 0.5, x_high += 0.5;
  const auto x_of = [&](double x) {
    return kLeft + (kWidth - kLeft - kRight) * (x - x_low) / (x_high - x_low);
  };
  const auto y_of = [&](double y) { return floor - (floor - kTop - 14) * (y - y_low) / (y_high - y_low); };
  for (const double tick : nice_ticks(y_low, y_high, 5))
    out += line(kLeft, y_of(tick), kWidth - kRight, y_of(tick), "axis") +
           text_at(kLeft - 5, y_of(tick) + 4, "end", short_number(tick));
  for (const double tick : nice_ticks(x_low, x_high, 5))
    out += text_at(x_of(tick), floor + 14, "middle", short_number(tick));
  out += text_at((kLeft + kWidth - kRight) / 2, height - 4, "middle", chart.x_label) +
         text_at(kLeft - 34, 10, "start", chart.y_label);
  if (chart.marker && *chart.marker >= x_low && *chart.marker <= x_high) {
    const double x = x_of(*chart.marker);
    out += line(x, kTop + 10, x, floor, "marker") + text_at(x > kWidth / 2 ? x - 4 : x + 4, kTop + 20,
                                                            x > kWidth / 2 ? "end" : "start",
                                                            chart.marker_label, "strong");
  }
  double legend = kWidth - kRight;
  for (size_t s = chart.series.size(); s-- > 0;) {
    std::string path;
    bool gap = true;
    for (const auto& [x, y] : chart.series[s].points) {
      if (!std::isfinite(x) || !std::isfinite(y)) {
        gap = true;
        continue;
      }
      path += fmt::format("{}{:.1f} {:.1f}", gap ? "M" : "L", x_of(x), y_of(y));
      gap = false;
    }
    out +=
        fmt::format("<path d=\"{}\" fill=\"none\" stroke-width=\"2\" class=\"s{}\"><title>{}</title></path>",
                    path, color_of(s), html_text(chart.series[s].name));
    if (chart.series.size() == 1) continue;  // its caption says what it is
    if (chart.series[s].points.size() <= kFewPoints)
      for (const auto& [x, y] : chart.series[s].points)
        if (std::isfinite(x) && std::isfinite(y))
          out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" class=\"f{}\"/>", x_of(x), y_of(y),
                             color_of(s));
    out += text_at(legend, 10, "end", chart.series[s].name);
    legend -= 6.0 * static_cast<double>(chart.series[s].name.size()) + 6;
    out += fmt::format("<rect x=\"{:.1f}\" y=\"2\" width=\"9\" height=\"9\" class=\"f{}\"/>", legend - 6,
                       color_of(s));
    legend -= 16;
  }
  return out + "</svg>";
}

}  // namespace lora
