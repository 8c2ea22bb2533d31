// For tests of checks: rows out of JSONL text, and a check run over them. Not part of the program.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/doctor.h"

namespace lora::testing {

// What `check` alone (with the structural findings left out) says of the rows in `jsonl`.
inline std::vector<Finding> findings_of(std::unique_ptr<DataCheck> check, std::string_view jsonl) {
  Findings findings;
  std::vector<Conversation> rows;
  RowReader reader;
  ReadRow row;
  LineSource source(jsonl, "test.jsonl");
  for (Line line; source.next(line);) {
    if (line.text.find_first_not_of(" \t") == std::string_view::npos) continue;
    reader.read(line.text, line.number, row);
    if (!row.readable) continue;
    rows.push_back(row.conversation);
    check->see({.index = rows.size() - 1,
                .line = line.number,
                .conversation = rows.back(),
                .column =
                    [&](size_t message, size_t offset) {
                      return column_of(line.text, row.places.offset_of(line.text, message, offset));
                    },
                .tokens = 0},
               findings);
  }
  check->finish([&](size_t index) { return rows.at(index); }, findings);
  return findings.take();
}

// Everything that the doctor says with the check among its checks.
inline std::vector<Finding> all_findings(std::unique_ptr<DataCheck> check, std::string_view jsonl) {
  LineSource source(jsonl, "test.jsonl", {.max_line_bytes = kMaxLineBytes, .keep_for_rereading = true});
  std::vector<std::unique_ptr<DataCheck>> checks;
  checks.push_back(std::move(check));
  return check_data(source, {}, checks).findings;
}

}  // namespace lora::testing
