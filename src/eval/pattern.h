// Regular expressions (PCRE2, Unicode) that always come back: a match that would take too long gives up and says so.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lora {

enum class Matched { kNo, kYes, kGaveUp };

struct PatternOptions {
  bool ignore_case = false;
  bool multiline = false;  // ^ and $ at line ends too
  bool dot_all = false;    // . matches line breaks
  bool whole = false;      // the pattern must match the whole text
};

// Not for several threads at once.
class AnswerPattern {
 public:
  // Errors: kInput, with the column in the pattern and PCRE2's words, at `where`.
  AnswerPattern(std::string_view pattern, const PatternOptions& options, const std::string& where);
  ~AnswerPattern();
  AnswerPattern(AnswerPattern&&) noexcept;
  AnswerPattern& operator=(AnswerPattern&&) noexcept;

  // Whether it matches anywhere. kGaveUp: after kSteps of the matcher. Ill-formed UTF-8 never matches a character.
  Matched search(std::string_view text) const;
  // Calls `each(begin, end)` for the matches from left to right, none overlapping, as Python's finditer does.
  // False: it gave up.
  bool for_each(std::string_view text, const std::function<void(size_t, size_t)>& each) const;
  // Number of matches; SIZE_MAX where it gave up.
  size_t count(std::string_view text) const;

  static constexpr uint32_t kSteps = 1000000;  // 10 to 50 ms

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

// `text` with every character that means something in a pattern escaped.
std::string escaped_pattern(std::string_view text);

}  // namespace lora
