#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "text/unicode_table.h"

namespace lora {
namespace {

// Ten million steps are about a second; real pre-tokenizers need a few per character.
constexpr uint32_t kMatchLimit = 10'000'000;
constexpr uint32_t kHeapLimitKib = 64 * 1024;
constexpr size_t kJitStackBytes = 8 * 1024 * 1024;
constexpr uint32_t kMaxExpressionBytes = 64 * 1024;

// White_Space of Unicode. PCRE2's own \s under UCP adds U+180E.
constexpr std::string_view kSpaces =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{"
    "3000}";

[[noreturn]] void refuse(const std::string& where, const std::string& found) {
  throw Error::input({.where = where,
                      .found = found,
                      .expected = "a pattern of the kind that byte-level tokenizers use",
                      .fix = "This tokenizer is not supported yet."});
}

// The expression in PCRE2's words.
std::string translate(std::string_view expression, const std::string& where) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    if (c == '[') {
      if (in_class) {
        if (i + 1 < expression.size() && (expression[i + 1] == ':' || expression[i + 1] == '.'))
          refuse(where, "the pattern uses a POSIX character class");
        refuse(where, "the pattern has a bracket inside brackets");
      }
      in_class = true;
    } else if (c == ']') {
      in_class = false;
    } else if (in_class && c == '&' && i + 1 < expression.size() && expression[i + 1] == '&') {
      refuse(where, "the pattern intersects character classes (&&)");
    } else if (c == '\\' && i + 1 < expression.size()) {
      const char escaped = expression[++i];
      if (escaped == 's') {
        out += in_class ? std::string(kSpaces) : "[" + std::string(kSpaces) + "]";
      } else if (escaped == 'S') {
        if (in_class) refuse(where, "the pattern has \\S inside brackets");
        out += "[^" + std::string(kSpaces) + "]";
      } else if (std::string_view("wWdDbBhHRXGKQECzZA").find(escaped) != std::string_view::npos) {
        refuse(where, std::string("the pattern uses \\") + escaped);
      } else {
        out += c;
        out += escaped;
      }
      continue;
    }
    out += c;
  }
  return out;
}

// `text` with every listed code point replaced by its stand-in; true when there was one.
bool put_stand_ins(std::string_view text, std::string& out) {
  const auto table = unicode_stand_ins();
  bool changed = false;
  for (size_t i = 0; i < text.size();) {
    if (static_cast<uint8_t>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const Utf8Char c = utf8_at(text, i);
    if (c.valid) {
      const auto after =
          std::upper_bound(table.begin(), table.end(), c.code_point,
                           [](uint32_t value, const UnicodeStandIn& s) { return value < s.first; });
      if (after != table.begin() && c.code_point <= (after - 1)->last) {
        if (!changed) out.assign(text);
        changed = true;
        std::string stand_in;
        append_utf8(stand_in, (after - 1)->stand_in);
        out.replace(i, c.length, stand_in);
      }
    }
    i += c.length;
  }
  return changed;
}

struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct MatchContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct JitStackDeleter {
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

}  // namespace

struct Pattern::Code {
  pcre2_code* code = nullptr;
  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcre2_code_free(code); }
};

Pattern::Pattern(std::string_view expression, std::string where)
    : expression_(expression), where_(std::move(where)) {
  if (expression.size() > kMaxExpressionBytes) refuse(where_, "the pattern is longer than 64 KiB");
  if (!is_valid_utf8(expression)) refuse(where_, "the pattern is not UTF-8");
  const std::string translated = translate(expression, where_);
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                             PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                             &error, &offset, nullptr);
  if (!code->code) {
    char message[256] = {};
    pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(message), sizeof(message));
    refuse(where_, "the pattern does not compile: " + std::string(message));
  }
  pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE);  // without it the interpreter runs; results are the same
  code_ = std::move(code);
}

Pattern Pattern::from_literal(std::string_view literal, std::string where) {
  std::string escaped;
  for (const char c : literal) {
    if (std::string_view("\\^$.|?*+()[]{}-&#").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return Pattern(escaped, std::move(where));
}

std::vector<ByteRange> Pattern::find_all(std::string_view text) const {
  std::vector<ByteRange> matches;
  std::string with_stand_ins;
  const std::string_view subject =
      put_stand_ins(text, with_stand_ins) ? std::string_view(with_stand_ins) : text;

  std::unique_ptr<pcre2_match_data, MatchDataDeleter> data(pcre2_match_data_create(1, nullptr));
  std::unique_ptr<pcre2_match_context, MatchContextDeleter> context(pcre2_match_context_create(nullptr));
  std::unique_ptr<pcre2_jit_stack, JitStackDeleter> stack;
  if (!data || !context) throw Error::machine({.where = where_, .found = "no memory to match the pattern"});
  pcre2_set_match_limit(context.get(), kMatchLimit);
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);

  size_t position = 0;
  while (position < subject.size()) {
    const int rc = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(),
                               position, 0, data.get(), context.get());
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !stack) {
      stack.reset(pcre2_jit_stack_create(32 * 1024, kJitStackBytes, nullptr));
      pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
      continue;
    }
    if (rc < 0)
      throw Error::input({.where = where_,
                          .found = "matching the pattern takes too many steps on this text (PCRE2 error " +
                                   std::to_string(rc) + ")",
                          .fix = "The tokenizer's pattern backtracks without bound; it cannot be used."});
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data.get());
    if (range[1] > range[0]) {
      matches.push_back({range[0], range[1]});
      position = range[1];
    } else {
      position = range[1] + utf8_at(subject, std::min(range[1], subject.size() - 1)).length;
    }
  }
  return matches;
}

}  // namespace lora
