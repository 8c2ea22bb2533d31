// Repairs a line that is not valid JSON, where exactly one valid row can have been meant: unescaped quotes, trailing and
// missing commas, single and typographic quotes around keys and strings, Python's True, False and None, raw control
// characters inside strings. Every way to read the line is tried; two ways that give a valid row mean no repair.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data/row_reader.h"

namespace lora {

struct RowRepair {
  std::string text;  // the line as it was meant
  std::string what;  // "4 quotes escaped, a trailing comma removed"
};

// Nothing when the line is valid already, cannot be repaired, or can be in more ways than one (or in more than can be
// tried: the work is bounded).
std::optional<RowRepair> repair_row(std::string_view line, const RowOptions& options);

}  // namespace lora
