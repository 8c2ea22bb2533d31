#include "report/charts.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lora {
namespace {

size_t count(std::string_view text, std::string_view part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(Charts, TicksAreRoundAndCover) {
  EXPECT_EQ(nice_ticks(0, 100, 5), (std::vector<double>{0, 50, 100}));
  EXPECT_EQ(nice_ticks(0, 4, 5), (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_EQ(nice_ticks(3, 3), std::vector<double>{3});
  EXPECT_EQ(short_number(1200), "1,200");
  EXPECT_EQ(short_number(250000), "250k");
  EXPECT_EQ(short_number(0.125), "0.125");
}

TEST(Charts, HistogramDrawsEachBinAndTheMarker) {
  const std::string svg = histogram({.description = "of <lengths>",
                                     .bins = {3, 0, 5},
                                     .bin_width = 10,
                                     .unit = "characters",
                                     .open_end = true,
                                     .marker = 25.0,
                                     .marker_label = "limit"});
  EXPECT_EQ(count(svg, "<rect"), 2u);
  EXPECT_NE(svg.find("<title>of &lt;lengths&gt;</title>"), std::string::npos);
  EXPECT_NE(svg.find("20 or more: 5"), std::string::npos);
  EXPECT_NE(svg.find("limit"), std::string::npos);
  EXPECT_EQ(histogram({.description = "",
                       .bins = {1},
                       .bin_width = 10,
                       .unit = "",
                       .marker = 500.0,
                       .marker_label = "limit"})
                .find("limit"),
            std::string::npos)
      << "beyond the axis";
  EXPECT_NO_THROW(histogram({.description = "", .bins = {}, .unit = ""}));
}

TEST(Charts, BarsAreInProportion) {
  const std::string html = bar_list({{.label = "<a>", .value = 1, .text = "1", .low = 0.5, .high = 2.0},
                                     {.label = "b", .value = 2, .text = "2", .low = {}, .high = {}}});
  EXPECT_NE(html.find("&lt;a&gt;"), std::string::npos);
  EXPECT_NE(html.find("width=\"50.00\""), std::string::npos);
  EXPECT_NE(html.find("width=\"100.00\""), std::string::npos);
  EXPECT_NE(html.find("M25.00 5H100.00"), std::string::npos) << html;
  EXPECT_NO_THROW(bar_list({}));
  EXPECT_NO_THROW(bar_list({{.label = "zero", .value = 0, .text = "0", .low = {}, .high = {}}}));
}

TEST(Charts, ScatterAndLinesDrawEveryPoint) {
  const std::string svg = scatter(
      {.description = "map", .points = {{0, 0, 0, "line 1"}, {1, -1, 9, "line 2"}}, .group_labels = {"1"}});
  EXPECT_EQ(count(svg, "<circle"), 1u);
  EXPECT_EQ(count(svg, "<rect"), 1u) << "groups beyond the colours have another shape";
  const std::string lines =
      line_chart({.description = "loss",
                  .x_label = "step",
                  .y_label = "loss",
                  .series = {{"train", {{0, 3}, {10, 2}, {20, NAN}, {30, 1}, {40, 1}}}}});
  EXPECT_EQ(count(lines, "<path"), 1u);
  EXPECT_EQ(count(lines.substr(lines.find("<path")), "M"), 2u) << "a gap where there is no number";
  EXPECT_NE(line_chart({.description = "", .x_label = "", .y_label = "", .series = {}}).find("no data"),
            std::string::npos);
}

}  // namespace
}  // namespace lora
