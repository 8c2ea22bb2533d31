// Repair of a whole data file (`lora check --fix`): a new file in which everything that has exactly one sensible repair
// is repaired, and everything else stands as it was. Which rows those are: docs/check.md. Never touches the source.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/line_source.h"
#include "data/output_file.h"
#include "data/row_reader.h"

namespace lora {

struct MendOptions {
  RowOptions rows = {};
  // A text as it was meant before its encoding was mistaken, or nothing (repair_mojibake).
  std::function<std::optional<std::string>(std::string_view)> repair_text = {};
};

// One line of the source that is another in the new file.
struct MendChange {
  enum class Kind { kJson, kByteOrderMark, kBlankLine, kDuplicate, kEncoding, kLayout };
  Kind kind;
  size_t line = 0;       // in the source
  std::string what;      // "4 quotes escaped"
  std::string was, now;  // the stretch that differs, shortened; empty where a line was removed
};

struct MendReport {
  static constexpr size_t kMostChanges = 10'000;
  std::vector<MendChange> changes;  // the first kMostChanges
  size_t changed = 0;               // all of them
  size_t rows_written = 0;
  size_t rows_left = 0;  // written as they were although something is wrong with them
};

// Reads `source` from its beginning and writes the rows to `out`, without committing it.
// Errors: as LineSource and OutputFile.
MendReport mend_data(LineSource& source, const MendOptions& options, OutputFile& out);

// What changed, line by line, for people.
std::string mend_in_words(const MendReport& report, std::string_view name, std::string_view out_name);

}  // namespace lora
