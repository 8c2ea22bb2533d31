#include "data/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "base/error.h"
#include "base/nearest_word.h"

namespace lora {
namespace {

using enum Severity;

constexpr std::array kCodes{
    FindingCode{"invalid-json", kError, "a line is not valid JSON"},
    FindingCode{"not-an-object", kError, "a line holds a JSON value that is not an object"},
    FindingCode{"duplicate-key", kError, "a key stands twice in one object"},
    FindingCode{"unknown-key", kWarning, "a key that no format knows: it would be ignored"},
    FindingCode{"invalid-utf8", kError, "bytes that are not UTF-8"},
    FindingCode{"byte-order-mark", kError, "the file begins with a byte order mark"},
    FindingCode{"mojibake", kWarning, "text that was decoded with the wrong encoding once"},
    FindingCode{"blank-line", kWarning, "a blank line between rows"},
    FindingCode{"line-too-long", kError, "a line over the size cap"},
    FindingCode{"missing-messages", kError, "a row without messages, or of no known format"},
    FindingCode{"unknown-role", kError, "a role that is not system, user, assistant or tool"},
    FindingCode{"invalid-value", kError, "a key whose value is not of its kind"},
    FindingCode{"non-string-content", kError, "content that is not a string"},
    FindingCode{"empty-content", kError, "a message without text"},
    FindingCode{"no-assistant", kError, "a row without an answer to learn from"},
    FindingCode{"last-not-assistant", kError, "a row that does not end with the answer"},
    FindingCode{"system-not-first", kError, "a system message that is not the first"},
    FindingCode{"roles-not-alternating", kError, "user and assistant do not take turns"},
    FindingCode{"control-token-in-text", kError, "a control token of a chat template spelled out in a text"},
    FindingCode{"too-long", kWarning, "a row longer than max_seq_length"},
    FindingCode{"duplicate", kWarning, "a row that stands in the file twice"},
    FindingCode{"near-duplicate", kWarning, "a row that nearly equals another"},
    FindingCode{"conflicting-answers", kWarning, "the same question with different answers"},
    FindingCode{"train-eval-overlap", kError, "a row that is held out for evaluation too, or nearly"},
    FindingCode{"inconsistent-format", kWarning, "an answer in another format than its like"},
    FindingCode{"inconsistent-system-prompt", kWarning,
                "a system prompt that differs a little from the others"},
    FindingCode{"no-negative-examples", kWarning, "no refusal or \"I don't know\" under a system prompt"},
    FindingCode{"golden-problem", kError, "a golden example with a finding of its own"},
    FindingCode{"low-diversity", kWarning, "rows or answers that are too much alike"},
    FindingCode{"possible-secret", kWarning, "what looks like a key, token or password"},
    FindingCode{"possible-personal-data", kWarning, "what looks like personal data"},
    FindingCode{"language-mix", kWarning, "an answer in another language than its question or its like"},
    FindingCode{"few-examples", kWarning, "fewer rows than a fine-tune can learn from"},
    FindingCode{"coverage-gap", kNote, "something that the held-out set holds and the data does not"},
};

size_t index_of(std::string_view code) {
  const auto* at =
      std::find_if(kCodes.begin(), kCodes.end(), [&](const auto& row) { return row.code == code; });
  return static_cast<size_t>(at - kCodes.begin());
}

}  // namespace

std::string_view severity_name(Severity severity) {
  constexpr std::array<std::string_view, 3> kNames{"error", "warning", "note"};
  return kNames[static_cast<size_t>(severity)];
}

std::span<const FindingCode> finding_codes() {
  return kCodes;
}

Findings::Findings(const std::set<std::string>& ignored)
    : ignored_(ignored), per_code_(kCodes.size()), first_line_beyond_(kCodes.size()) {
  for (const std::string& code : ignored) {
    if (index_of(code) < kCodes.size()) continue;
    const auto* nearest = std::min_element(kCodes.begin(), kCodes.end(), [&](const auto& a, const auto& b) {
      return letters_apart(code, a.code) < letters_apart(code, b.code);
    });
    throw Error::input(
        {.where = "--ignore",
         .found = fmt::format("no finding has the code \"{}\"", code),
         .fix = fmt::format("Did you mean \"{}\"? `lora check --codes` lists all.", nearest->code)});
  }
}

void Findings::add(std::string_view code, size_t line, size_t column, std::string message, std::string fix) {
  const size_t i = index_of(code);
  assert(i < kCodes.size());
  add(code, kCodes[i].severity, line, column, std::move(message), std::move(fix));
}

void Findings::add(std::string_view code, Severity severity, size_t line, size_t column, std::string message,
                   std::string fix) {
  const size_t i = index_of(code);
  assert(i < kCodes.size());
  if (ignored_.contains(std::string(code))) return;
  ++per_severity_[static_cast<size_t>(severity)];
  if (++per_code_[i] > kMostPerCode) {
    if (first_line_beyond_[i] == 0) first_line_beyond_[i] = line;
    return;
  }
  findings_.push_back({std::string(code), severity, line, column, std::move(message), std::move(fix)});
}

std::vector<Finding> Findings::take() {
  for (size_t i = 0; i < kCodes.size(); ++i)
    if (per_code_[i] > kMostPerCode)
      findings_.push_back(
          {std::string(kCodes[i].code), kCodes[i].severity, first_line_beyond_[i], 1,
           fmt::format("{} more findings of this kind are not listed", per_code_[i] - kMostPerCode),
           "Mend the listed ones first, then check again."});
  std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  return std::move(findings_);
}

size_t Findings::count(Severity severity) const {
  return per_severity_[static_cast<size_t>(severity)];
}

}  // namespace lora
