#include "eval/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <array>

#include "base/error.h"
#include "base/utf8.h"

namespace lora {

struct AnswerPattern::Compiled {
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code{nullptr, pcre2_code_free};
  std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context{nullptr,
                                                                                    pcre2_match_context_free};
  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data{nullptr, pcre2_match_data_free};

  // PCRE2's result code: above 0 a match, whose ends are in `data`.
  int match(std::string_view text, size_t from, uint32_t options) const {
    return pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, options,
                       data.get(), context.get());
  }
};

AnswerPattern::AnswerPattern(std::string_view pattern, const PatternOptions& options,
                             const std::string& where)
    : compiled_(std::make_unique<Compiled>()) {
  uint32_t flags = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
  if (options.ignore_case) flags |= PCRE2_CASELESS;
  if (options.multiline) flags |= PCRE2_MULTILINE;
  if (options.dot_all) flags |= PCRE2_DOTALL;
  if (options.whole) flags |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
  int code = 0;
  PCRE2_SIZE offset = 0;
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), flags,
                                      &code, &offset, nullptr));
  if (!compiled_->code) {
    std::array<unsigned char, 256> words{};
    pcre2_get_error_message(code, words.data(), words.size());
    throw Error::input({.where = where,
                        .found = fmt::format("the pattern \"{}\" is wrong at its byte {}: {}", pattern,
                                             offset, reinterpret_cast<const char*>(words.data())),
                        .expected = "a regular expression as PCRE2 reads them"});
  }
  compiled_->context.reset(pcre2_match_context_create(nullptr));
  compiled_->data.reset(pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
  if (!compiled_->context || !compiled_->data) throw std::bad_alloc();
  pcre2_set_match_limit(compiled_->context.get(), kSteps);
  pcre2_set_depth_limit(compiled_->context.get(), kSteps / 10);
  pcre2_set_heap_limit(compiled_->context.get(), 64 * 1024);  // KiB
}

AnswerPattern::~AnswerPattern() = default;
AnswerPattern::AnswerPattern(AnswerPattern&&) noexcept = default;
AnswerPattern& AnswerPattern::operator=(AnswerPattern&&) noexcept = default;

Matched AnswerPattern::search(std::string_view text) const {
  const int result = compiled_->match(text, 0, 0);
  if (result >= 0) return Matched::kYes;
  return result == PCRE2_ERROR_NOMATCH ? Matched::kNo : Matched::kGaveUp;
}

bool AnswerPattern::for_each(std::string_view text, const std::function<void(size_t, size_t)>& each) const {
  size_t from = 0;
  uint32_t options = 0;
  // Looked through once, not before every match.
  const uint32_t checked = is_valid_utf8(text) ? PCRE2_NO_UTF_CHECK : 0;
  while (from <= text.size()) {
    const int result = compiled_->match(text, from, options | checked);
    if (result == PCRE2_ERROR_NOMATCH) {
      if (options == 0) return true;
      ++from;  // no match other than the empty one here: go on behind this character
      while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
      options = 0;
      continue;
    }
    if (result < 0) return false;
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(compiled_->data.get());
    const size_t begin = ends[0], end = ends[1];
    if (end < begin) return false;  // \K in a lookahead
    each(begin, end);
    options = end == begin ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0;
    from = end;
  }
  return true;
}

size_t AnswerPattern::count(std::string_view text) const {
  size_t count = 0;
  return for_each(text, [&](size_t, size_t) { ++count; }) ? count : SIZE_MAX;
}

std::string escaped_pattern(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       static_cast<unsigned char>(c) >= 0x80;
    if (!plain) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace lora
