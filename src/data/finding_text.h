// Findings as people and programs read them: text for a terminal, and the JSON that scripts hold on to.
#pragma once

#include <span>
#include <string>

#include "data/doctor.h"
#include "data/finding.h"

namespace lora {

// An array of objects with exactly the keys code, severity, line, column, message, fix, in this order.
std::string findings_json(std::span<const Finding> findings);

struct FindingTextOptions {
  bool colour = false;
  bool all = false;  // every finding; else, when there are many, the first few of each code and how many more
};
// "data.jsonl:12:40: error: … [code]" and, indented, what to do; the summary at the end.
std::string report_text(const CheckReport& report, const FindingTextOptions& options);

// What the file holds and how many findings there are, in one or a few lines.
std::string summary_text(const CheckSummary& summary);

// The table of codes for --codes.
std::string codes_text();

}  // namespace lora
