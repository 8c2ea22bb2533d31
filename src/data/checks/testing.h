// For tests of checks: rows of a question and an answer, and what a check says of them. Not part of the program.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/testing.h"

namespace lora::testing {

struct Asked {
  std::string system, question, answer;
};

inline std::string jsonl_of(const std::vector<Asked>& rows) {
  std::string out;
  for (const Asked& row : rows) {
    nlohmann::json messages = nlohmann::json::array();
    if (!row.system.empty()) messages.push_back({{"role", "system"}, {"content", row.system}});
    messages.push_back({{"role", "user"}, {"content", row.question}});
    messages.push_back({{"role", "assistant"}, {"content", row.answer}});
    out += nlohmann::json({{"messages", messages}}).dump() + "\n";
  }
  return out;
}

inline std::vector<Finding> said_of(std::unique_ptr<DataCheck> check, const std::vector<Asked>& rows) {
  return findings_of(std::move(check), jsonl_of(rows));
}

// Lines with a warning or an error.
inline std::vector<size_t> warned(const std::vector<Finding>& findings) {
  std::vector<size_t> lines;
  for (const Finding& f : findings)
    if (f.severity != Severity::kNote) lines.push_back(f.line);
  return lines;
}

}  // namespace lora::testing
