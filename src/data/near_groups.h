// Groups of near-duplicate rows as people look at them: the texts side by side, cut to what matters, with the words
// marked in which they differ. For the page of the data doctor; what counts as near is twin_rows.h's business.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/checks/check.h"
#include "data/twin_rows.h"

namespace lora {

struct TextPart {
  std::string text;
  bool differs = false;

  bool operator==(const TextPart&) const = default;
};

struct NearRow {
  size_t line = 0;
  double similarity = 0;  // to the group's first row; 1 for that one
  std::vector<TextPart> question, answer;
};

struct NearGroup {
  std::vector<NearRow> rows;  // by line; at most kMostRows
  size_t size = 0;            // with those left out
};

struct NearGroups {
  static constexpr size_t kMostGroups = 100, kMostRows = 6;
  std::vector<NearGroup> groups;  // the largest first, then by line
  size_t found = 0;               // with those left out
};

// Rows that `twins` ties together, of which at least two say something different (mere copies make no group). `lines`
// and `hashes` (equal for equal rows) by row. Reads at most kMostGroups * kMostRows rows again.
NearGroups near_groups(const std::vector<Twin>& twins, const std::vector<size_t>& lines,
                       const std::vector<uint64_t>& hashes, const Reread& reread);

// Two texts with the words marked that the other one does not have there. Case and punctuation count. Long stretches
// that are alike are cut to `around` bytes at either end, with "…".
std::pair<std::vector<TextPart>, std::vector<TextPart>> marked_difference(std::string_view a,
                                                                          std::string_view b,
                                                                          size_t around = 80);

}  // namespace lora
