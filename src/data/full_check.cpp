#include "data/full_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.h"
#include "data/checks/conflicting_answers.h"
#include "data/checks/content_checks.h"
#include "data/checks/duplicate.h"
#include "data/checks/inconsistent_system_prompt.h"
#include "data/checks/mojibake.h"
#include "data/checks/near_duplicate.h"
#include "data/checks/overlap.h"
#include "data/checks/possible_personal_data.h"
#include "data/checks/possible_secret.h"
#include "data/row_formats.h"
#include "data/row_source.h"

namespace lora {
namespace {

using Checks = std::vector<std::unique_ptr<DataCheck>>;

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

// The rows of a file that the data is compared with.
std::vector<Conversation> other_rows(const std::string& path, const FullCheckOptions& options) {
  std::vector<Conversation> rows = readable_rows(path, options.check.rows);
  if (rows.empty())
    throw Error::input({.where = path,
                        .found = "the file holds no row that can be read",
                        .fix = "Check it by itself: lora check " + path});
  return rows;
}

size_t tokens_of(const Conversation& row, const CheckOptions& options) {
  try {
    if (options.count_tokens) return options.count_tokens(row, options.max_seq_length).tokens;
  } catch (const Error&) {  // a row that the template does not take: about its length will do
  }
  return estimate_tokens(row, options.max_seq_length).tokens;
}

// What is wrong with rows of the golden file, each taken for itself, as findings about the data's first line.
std::vector<Finding> golden_file_problems(const FullCheckOptions& options) {
  LineSource source(options.golden, {.max_line_bytes = kMaxLineBytes, .keep_for_rereading = true});
  CheckOptions alone = options.check;
  alone.ignored = {};
  Checks checks;
  checks.push_back(make_mojibake_check());
  checks.push_back(make_possible_secret_check());
  checks.push_back(make_possible_personal_data_check());
  Findings findings(options.check.ignored);
  for (const Finding& finding : check_data(source, alone, checks).findings) {
    if (finding.severity == Severity::kNote || finding.code == "few-examples") continue;
    if (finding.code == "golden-problem" || options.check.ignored.contains(finding.code)) continue;
    findings.add("golden-problem", finding.severity, 1, 1,
                 fmt::format("{}:{}:{}: {}: {}", file_name(options.golden), finding.line, finding.column,
                             finding.code, finding.message),
                 finding.fix);
  }
  return findings.take();
}

void add_findings(CheckReport& report, std::vector<Finding> more) {
  for (Finding& finding : more) {
    CheckSummary& summary = report.summary;
    ++(finding.severity == Severity::kError     ? summary.errors
       : finding.severity == Severity::kWarning ? summary.warnings
                                                : summary.notes);
    report.findings.push_back(std::move(finding));
  }
  std::stable_sort(report.findings.begin(), report.findings.end(), [](const Finding& a, const Finding& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
}

}  // namespace

Checks make_data_checks(NearGroups* groups) {
  Checks checks = make_content_checks();
  checks.push_back(make_inconsistent_system_prompt_check());
  checks.push_back(make_duplicate_check());
  checks.push_back(make_near_duplicate_check(groups));
  checks.push_back(make_conflicting_answers_check());
  return checks;
}

std::vector<Conversation> readable_rows(const std::string& path, const RowOptions& options) {
  LineSource source(path);
  RowSource rows(source);
  RowReader reader(options);
  ReadRow row;
  std::vector<Conversation> out;
  for (RowText text; rows.next(text);) {
    if (text.bytes > text.text.size() || is_blank(text.text)) continue;
    reader.read(text.text, text.line, row);
    if (row.readable) out.push_back(row.conversation);
  }
  return out;
}

FullCheck full_check(const FullCheckOptions& options) {
  if (!options.fix.empty() && options.fix == options.convert)
    throw Error::input({.where = "--fix and --convert",
                        .found = "both name the same file",
                        .expected = "a file for each",
                        .fix = "Give --convert another name."});
  // Outputs first: a name that is taken should not cost a reading of the data.
  std::optional<OutputFile> fixed, converted;
  if (!options.fix.empty()) fixed.emplace(options.fix);
  if (!options.convert.empty()) converted.emplace(options.convert);

  Checks checks;
  FullCheck result;
  if (!options.structural_only) checks = make_data_checks(options.summarize ? &result.near_groups : nullptr);
  Coverage coverage, held_out_coverage;
  if (!options.against.empty()) {
    const std::vector<Conversation> held_out = other_rows(options.against, options);
    checks.push_back(make_overlap_check(held_out, file_name(options.against)));
    if (!options.structural_only)
      for (const Conversation& row : held_out)
        held_out_coverage.see(row, row.line, tokens_of(row, options.check));
  }
  if (options.summarize || (!options.against.empty() && !options.structural_only))
    checks.push_back(make_coverage_check(
        coverage, options.against.empty() || options.structural_only ? nullptr : &held_out_coverage));
  if (!options.golden.empty())
    checks.push_back(make_overlap_check(other_rows(options.golden, options), file_name(options.golden),
                                        OtherFile::kGolden));

  const bool again = !checks.empty() || fixed || converted;
  LineSource source(options.data, {.max_line_bytes = kMaxLineBytes, .keep_for_rereading = again});
  result.report = check_data(source, options.check, checks);
  if (options.summarize)
    result.data = coverage.summary(options.check.max_seq_length, !options.check.count_tokens);
  if (!options.golden.empty()) add_findings(result.report, golden_file_problems(options));
  if (fixed) {
    source.rewind();
    MendOptions mend;
    mend.rows = options.check.rows;
    mend.repair_text = repair_mojibake;
    result.mended = mend_data(source, mend, *fixed);
  }
  if (converted) {
    source.rewind();
    result.converted = convert_data(source, options.check.rows, *converted);
  }
  if (fixed) fixed->commit();
  if (converted) converted->commit();
  return result;
}

}  // namespace lora
