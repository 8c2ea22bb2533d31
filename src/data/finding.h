// What the data doctor says: findings with a code, a place and a cure. Codes, severities and JSON keys are a
// surface that scripts hold on to: add codes, do not rename them.
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

enum class Severity {
  kError,    // training on this row would fail or teach something wrong: exit code 1
  kWarning,  // likely to spoil the result; a look is worth it
  kNote,     // good to know
};
std::string_view severity_name(Severity severity);  // "error", "warning", "note"

struct Finding {
  std::string code;  // a row of finding_codes()
  Severity severity = Severity::kNote;
  size_t line = 1;      // from 1; a finding about the whole file stands at the first row it concerns
  size_t column = 1;    // in characters, from 1
  std::string message;  // what is there, a sentence without the place
  std::string fix;      // what to do, an imperative sentence
};

struct FindingCode {
  std::string_view code;
  Severity severity;         // as `check` gives it, unless the finder has a reason to say less
  std::string_view meaning;  // one line for --help and the documentation
};
// Every code there is, in the order of the documentation.
std::span<const FindingCode> finding_codes();

// Collects findings while a file is read. Memory stays bounded: after `kMostPerCode` findings of one code only the
// number is kept, and said.
class Findings {
 public:
  static constexpr size_t kMostPerCode = 10'000;

  // Codes to leave out. Errors: kInput naming a code that does not exist, with the nearest that does.
  explicit Findings(const std::set<std::string>& ignored = {});

  // With the severity of the code's table row.
  void add(std::string_view code, size_t line, size_t column, std::string message, std::string fix);
  void add(std::string_view code, Severity severity, size_t line, size_t column, std::string message,
           std::string fix);

  // All, by line, column and order of adding; where some were left out, one more finding of that code says how many.
  std::vector<Finding> take();
  size_t count(Severity severity) const;  // the ones beyond kMostPerCode included

 private:
  std::set<std::string> ignored_;
  std::vector<Finding> findings_;
  std::vector<size_t> per_code_;  // as finding_codes()
  std::vector<size_t> first_line_beyond_;
  size_t per_severity_[3] = {0, 0, 0};
};

}  // namespace lora
