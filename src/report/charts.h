// Charts as HTML and SVG text: histogram, bars with intervals, scatter, lines. Drawn for a width of 360 so that they
// stay readable on a phone; colours come from the page's style, so they follow light and dark. All text is escaped here.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

struct HistogramChart {
  std::string description;  // what it shows, for those who cannot see it
  std::vector<size_t> bins;
  double bin_width = 1;
  std::string unit;                   // below the axis: "characters"
  bool open_end = false;              // the last bin holds everything beyond too
  std::optional<double> marker = {};  // a line, such as a limit
  std::string marker_label = {};
};
std::string histogram(const HistogramChart& chart);

struct Bar {
  std::string label;
  double value = 0;
  std::string text;                           // the value in words: "12 of 40 (30 %)"
  std::optional<double> low = {}, high = {};  // an interval
  size_t color = 1;                           // 1 to 8
  std::string hint = {};                      // shown when pointed at
};
// One below the other; `full` is the value of a bar of full length (0: the largest value or interval end).
std::string bar_list(const std::vector<Bar>& bars, double full = 0);

struct ScatterPoint {
  double x = 0, y = 0;  // in [-1, 1]
  size_t group = 0;     // colour and shape
  std::string hint = {};
};
struct ScatterChart {
  std::string description;
  std::vector<ScatterPoint> points;
  std::vector<std::string> group_labels;  // written at the middle of each group
};
std::string scatter(const ScatterChart& chart);

struct LineSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  // by x
};
struct LineChart {
  std::string description, x_label, y_label;
  std::vector<LineSeries> series;
  std::optional<double> marker = {};  // a line at this x, such as the step that was kept
  std::string marker_label = {};
};
std::string line_chart(const LineChart& chart);

// Ticks at 1, 2 or 5 times a power of ten that cover [low, high], about `wanted` of them. Precondition: low <= high.
std::vector<double> nice_ticks(double low, double high, size_t wanted = 5);
std::string short_number(double value);  // 1200 as "1,200", 250000 as "250k", 0.125 as "0.125"

}  // namespace lora
