#include "data/finding_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/progress.h"
#include "data/chat_jsonl.h"

namespace lora {
namespace {

constexpr size_t kMany = 40;   // up to here findings stand in the order of the file, all of them
constexpr size_t kOfEach = 5;  // of each code, when there are many

std::string plural(size_t n, std::string_view word) {
  return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
}

std::string_view colour_of(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "\033[1;31m";
    case Severity::kWarning:
      return "\033[1;33m";
    case Severity::kNote:
      break;
  }
  return "\033[1;36m";
}

void append(std::string& out, const Finding& finding, std::string_view name, bool colour) {
  const std::string_view on = colour ? colour_of(finding.severity) : "", off = colour ? "\033[0m" : "",
                         dim = colour ? "\033[2m" : "", bold = colour ? "\033[1m" : "";
  out += fmt::format("{}{}:{}:{}:{} {}{}:{} {} {}[{}]{}\n", bold, name, finding.line, finding.column, off, on,
                     severity_name(finding.severity), off, finding.message, dim, finding.code, off);
  if (!finding.fix.empty()) out += fmt::format("    {}{}{}\n", dim, finding.fix, off);
}

}  // namespace

std::string findings_json(std::span<const Finding> findings) {
  auto array = nlohmann::ordered_json::array();
  for (const Finding& finding : findings)
    array.push_back({{"code", finding.code},
                     {"severity", severity_name(finding.severity)},
                     {"line", finding.line},
                     {"column", finding.column},
                     {"message", finding.message},
                     {"fix", finding.fix}});
  return array.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string report_text(const CheckReport& report, const FindingTextOptions& options) {
  std::string out;
  const std::string& name = report.summary.name;
  if (options.all || report.findings.size() <= kMany) {
    for (const Finding& finding : report.findings) append(out, finding, name, options.colour);
  } else {
    // By severity, then in the order of the codes' table.
    for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kNote}) {
      for (const FindingCode& row : finding_codes()) {
        size_t n = 0;
        for (const Finding& finding : report.findings) {
          if (finding.code != row.code || finding.severity != severity) continue;
          if (++n <= kOfEach) append(out, finding, name, options.colour);
        }
        if (n > kOfEach)
          out += fmt::format("    … and {} more of [{}]; --all lists them\n", n - kOfEach, row.code);
      }
    }
  }
  if (!out.empty()) out += '\n';
  return out + summary_text(report.summary);
}

std::string summary_text(const CheckSummary& summary) {
  std::string out = fmt::format("{}: {}", summary.name, plural(summary.rows, "row"));
  if (const std::string formats = formats_in_words(summary.formats); !formats.empty()) out += ": " + formats;
  out += fmt::format("; {}, {}{} tokens\n", bytes_text(static_cast<double>(summary.bytes)),
                     summary.tokens_estimated ? "about " : "", summary.tokens);
  if (summary.golden > 0) out += fmt::format("{} marked as golden\n", plural(summary.golden, "row"));
  if (summary.too_long > 0)
    out += fmt::format("{} longer than max_seq_length: {} would not fit\n", plural(summary.too_long, "row"),
                       plural(summary.answers_cut, "answer"));
  const size_t n = summary.errors + summary.warnings + summary.notes;
  out += n == 0 ? "nothing to complain about\n"
                : fmt::format("{}, {}, {}\n", plural(summary.errors, "error"),
                              plural(summary.warnings, "warning"), plural(summary.notes, "note"));
  return out;
}

std::string codes_text() {
  std::string out;
  for (const FindingCode& row : finding_codes())
    out += fmt::format("{:<28} {:<8} {}\n", row.code, severity_name(row.severity), row.meaning);
  return out;
}

}  // namespace lora
