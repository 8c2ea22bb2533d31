#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
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

constexpr std::string_view kWordMembers = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

[[noreturn]] void refuse(const std::string& where, const std::string& found) {
  throw Error::input({.where = where,
                      .found = found,
                      .expected = "a pattern of the kind that byte-level tokenizers use",
                      .fix = "This tokenizer is not supported yet."});
}

// General categories: the only properties that the stand-ins of unicode_table.h keep right.
bool is_category(std::string_view name) {
  if (name.starts_with('^')) name.remove_prefix(1);
  constexpr std::string_view kCategories =
      " C Cc Cf Cn Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp "
      "Zs ";
  return !name.empty() && name.find(' ') == std::string_view::npos &&
         kCategories.find(fmt::format(" {} ", name)) != std::string_view::npos;
}

// Writes an expression in PCRE2's words, or refuses it.
class Translation {
 public:
  Translation(std::string_view expression, const std::string& where) : in_(expression), where_(where) {}

  std::string write() {
    check_case_folding();
    for (at_ = 0; at_ < in_.size();) step();
    return std::move(out_);
  }

 private:
  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  void take(size_t count = 1) {
    out_ += in_.substr(at_, count);
    at_ += count;
  }

  void step() {
    const char c = in_[at_];
    if (c == '\\') return escape();
    if (in_class_) return inside_class();
    if (c == '[') {
      in_class_ = true;
      take(next_is("[^") ? 2 : 1);
      if (next_is("]")) refuse(where_, "the pattern has a bracket right after a bracket");
      return;
    }
    if (next_is("(?")) return group();
    if (next_is("(*")) refuse(where_, "the pattern has a verb (*…)");
    if (c == '{') return quantifier();
    take();
  }

  void inside_class() {
    if (next_is("[:") || next_is("[.")) refuse(where_, "the pattern uses a POSIX character class");
    if (next_is("[")) refuse(where_, "the pattern has a bracket inside brackets");
    if (next_is("&&")) refuse(where_, "the pattern intersects character classes (&&)");
    if (next_is("]")) in_class_ = false;
    take();
  }

  void escape() {
    if (at_ + 1 >= in_.size()) refuse(where_, "the pattern ends in a backslash");
    const char c = in_[at_ + 1];
    const auto put_class = [&](std::string_view members, bool negated) {
      if (in_class_ && negated) refuse(where_, std::string("the pattern has \\") + c + " inside brackets");
      if (!in_class_) out_ += negated ? "[^" : "[";
      out_ += members;
      if (!in_class_) out_ += ']';
      at_ += 2;
    };
    if (c == 's' || c == 'S') return put_class(kSpaces, c == 'S');
    if (c == 'd' || c == 'D') return put_class("\\p{Nd}", c == 'D');
    // Outside brackets Oniguruma also counts the fractions and superscripts of Latin-1.
    if (c == 'w' || c == 'W')
      return put_class(std::string(kWordMembers) + (in_class_ ? "" : "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"),
                       c == 'W');
    if (c == 'p' || c == 'P') {
      const size_t close = in_.find('}', at_);
      if (at_ + 2 >= in_.size() || in_[at_ + 2] != '{' || close == std::string_view::npos)
        refuse(where_, "the pattern has \\p without {…}");
      const std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
      if (!is_category(name)) refuse(where_, fmt::format("the pattern uses the property \\p{{{}}}", name));
      return take(close + 1 - at_);
    }
    if (c == 'x') {
      if (at_ + 2 < in_.size() && in_[at_ + 2] == '{') return take(3);
      if (at_ + 3 >= in_.size() || in_[at_ + 2] < '0' || in_[at_ + 2] > '7')
        refuse(where_, "the pattern writes a byte as \\x");
      return take(4);
    }
    if (c == 'u') {  // \u0041
      if (at_ + 6 > in_.size()) refuse(where_, "the pattern ends inside \\u");
      out_ += "\\x{";
      out_ += in_.substr(at_ + 2, 4);
      out_ += '}';
      at_ += 6;
      return;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter && std::string_view("tnrfve").find(c) == std::string_view::npos)
      refuse(where_, std::string("the pattern uses \\") + c);
    if (c == 'v') {  // a vertical tab there, a class here
      out_ += "\\x{b}";
      at_ += 2;
      return;
    }
    if (static_cast<uint8_t>(c) >= 0x80) {  // an escaped character that needs none
      ++at_;
      return take();
    }
    take(2);
  }

  void group() {
    for (const std::string_view kind : {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"})
      if (next_is(kind)) return take(kind.size());
    if (next_is("(?i:")) return take(4);
    // In Oniguruma an option holds for the rest of the group, alternatives and all; alike only at the very start.
    if (at_ == 0 && next_is("(?i)")) return take(4);
    refuse(where_, "the pattern uses " + std::string(in_.substr(at_, 4)));
  }

  void quantifier() {
    size_t end = at_ + 1;
    while (end < in_.size() && ((in_[end] >= '0' && in_[end] <= '9') || in_[end] == ',')) ++end;
    if (end < in_.size() && in_[end] == '}') {
      if (end == at_ + 1 || in_[at_ + 1] == ',') refuse(where_, "the pattern uses {,n}");
      if (end + 1 < in_.size() && in_[end + 1] == '+') refuse(where_, "the pattern uses {n,m}+");
      return take(end + 1 - at_);
    }
    out_ += "\\{";  // an ordinary brace
    ++at_;
  }

  // Where letter case is ignored, Oniguruma also matches ligatures and ß for several letters; PCRE2 does not.
  void check_case_folding() const {
    if (in_.find("(?i") == std::string_view::npos) return;
    char before = 0;
    for (const char c : in_) {
      if (static_cast<uint8_t>(c) >= 0x80)
        refuse(where_, "the pattern ignores the case of non-ASCII letters");
      const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      const std::string pair = {before, lower};
      for (const char* several : {"ss", "st", "ff", "fi", "fl"})
        if (pair == several) refuse(where_, "the pattern ignores the case of \"" + pair + "\"");
      before = lower;
    }
  }

  std::string_view in_;
  const std::string& where_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

// `text` with every listed code point replaced by its stand-in; true when there was one.
bool put_stand_ins(std::string_view text, std::string& out) {
  bool changed = false;
  for (size_t i = 0; i < text.size();) {
    if (static_cast<uint8_t>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const Utf8Char c = utf8_at(text, i);
    const uint32_t stand_in = c.valid ? unicode_stand_in(c.code_point) : c.code_point;
    if (c.valid && stand_in != c.code_point) {
      if (!changed) out.assign(text);
      changed = true;
      std::string bytes;
      append_utf8(bytes, stand_in);
      out.replace(i, c.length, bytes);
    }
    i += c.length;
  }
  return changed;
}

struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct CompileContextDeleter {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
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
  const std::string translated = Translation(expression, where_).write();
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  // As in Oniguruma ^ and $ are the ends of lines, and only \n ends a line.
  const std::unique_ptr<pcre2_compile_context, CompileContextDeleter> context(
      pcre2_compile_context_create(nullptr));
  if (context) pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  code->code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &error,
      &offset, context.get());
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

std::vector<ByteRange> Pattern::find_all(std::string_view text, EmptyMatches empty) const {
  std::vector<ByteRange> matches;
  if (text.empty()) return matches;  // nothing, not even an empty match
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
  size_t last_end = std::string_view::npos;  // of the last match
  while (position <= subject.size()) {
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
    const ByteRange match{range[0], range[1]};
    if (match.begin == match.end && match.end == last_end) {
      position = match.end + (match.end < subject.size() ? utf8_at(subject, match.end).length : 1);
      continue;
    }
    position = last_end = match.end;
    if (match.end > match.begin || empty == EmptyMatches::kKept) matches.push_back(match);
  }
  return matches;
}

}  // namespace lora
