// The page of the data doctor: verdict, findings that can be searched and filtered, groups of near
// duplicates, and pictures of what the data holds.
// One HTML file (html.h). Draws what it is given and judges nothing.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "data/coverage.h"
#include "data/finding.h"
#include "data/near_groups.h"

namespace lora {

struct CheckPage {
  std::string file;      // as the user named it
  std::string subtitle;  // "12,345 rows, 4.5 MB, chat", or empty
  std::vector<Finding> findings;
  DataSummary data;
  NearGroups near_groups = {};
  size_t most_findings = 2000;  // in the table; the rest is counted and said
};

std::string check_page_html(const CheckPage& page);

}  // namespace lora
