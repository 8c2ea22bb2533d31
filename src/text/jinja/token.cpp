#include "text/jinja/token.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "text/jinja/failure.h"
#include "text/jinja/python_text.h"

namespace lora::jinja {
namespace {

// \r\n and \r become \n; one newline at the end goes.
std::string with_plain_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_newlines(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) data();
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  bool is(std::string_view what, size_t ahead = 0) const {
    return source_.compare(at_ + ahead, what.size(), what) == 0 && at_ + ahead <= source_.size();
  }
  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  size_t space_after(size_t at) const {
    while (at < source_.size()) {
      size_t next = at;
      if (!is_space(next_character(source_, next))) break;
      at = next;
    }
    return at;
  }
  // Lines are counted once, however often a place is asked for.
  void advance(size_t to) {
    line_ += static_cast<size_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                            source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    at_ = to;
  }
  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  [[noreturn]] void fail(const std::string& what) const { throw Failure(what, line_); }

  // Text up to the next tag, then the tag.
  void data() {
    size_t tag = at_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) break;
      const char c = source_[tag + 1];
      if (c == '%' || c == '{' || c == '#') break;
      ++tag;
    }
    if (tag == std::string::npos || tag + 1 >= source_.size()) {
      add_data(at_, source_.size());
      advance(source_.size());
      return;
    }
    const char type = source_[tag + 1];
    size_t raw_begin = 0;
    const bool raw = type == '%' && is_raw(tag, "raw", raw_begin);
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    add_data(at_, stripped_end(at_, tag, sign, type == '{'));
    // Whether what follows a tag stands at the start of a line, for lstrip_blocks.
    if (raw) {
      advance(raw_begin);
      line_starting_ = source_[raw_begin - 1] == '\n';
      raw_text();
    } else {
      advance(tag + 2 + (sign == '-' || sign == '+'));
      line_starting_ = false;
      if (type == '#')
        comment();
      else
        tag_tokens(type == '{');
    }
  }

  void add_data(size_t begin, size_t end) {
    if (end > begin) add(TokenKind::kData, source_.substr(begin, end - begin));
  }

  // Where text before a tag ends: '-' takes all white space before it, lstrip_blocks that of the tag's own line.
  size_t stripped_end(size_t begin, size_t tag, char sign, bool variable) const {
    if (sign == '-')
      return begin + strip(Text(source_.substr(begin, tag - begin)), nullptr, false, true).size();
    if (sign == '+' || variable) return tag;
    const size_t newline = tag > begin ? source_.rfind('\n', tag - 1) : std::string::npos;
    const bool has_newline = newline != std::string::npos && newline >= begin;
    if (!has_newline && !line_starting_) return tag;
    const size_t line_start = has_newline ? newline + 1 : begin;
    if (line_start == tag) return tag;
    return space_after(line_start) >= tag ? line_start : tag;
  }

  // Whether {% raw %} (or endraw) stands at `tag`; `end` is behind it, with the space that its end takes.
  bool is_raw(size_t tag, std::string_view name, size_t& end) const {
    size_t at = tag + 2;
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) ++at;
    at = space_after(at);
    if (source_.compare(at, name.size(), name) != 0) return false;
    at = space_after(at + name.size());
    const bool minus = at < source_.size() && source_[at] == '-';
    const bool plus = name == "endraw" && at < source_.size() && source_[at] == '+';
    if (minus || plus) ++at;
    if (source_.compare(at, 2, "%}") != 0) return false;
    at += 2;
    if (minus)
      at = space_after(at);
    else if (!plus && name == "endraw" && at < source_.size() && source_[at] == '\n')
      ++at;
    end = at;
    return true;
  }

  void raw_text() {
    for (size_t tag = at_; (tag = source_.find("{%", tag)) != std::string::npos; tag += 2) {
      size_t end = 0;
      if (!is_raw(tag, "endraw", end)) continue;
      const char sign = source_[tag + 2];
      add_data(at_, stripped_end(at_, tag, sign, false));
      advance(end);
      line_starting_ = source_[end - 1] == '\n';
      return;
    }
    fail("{% raw %} is never closed");
  }

  void comment() {
    const size_t close = source_.find("#}", at_);
    if (close == std::string::npos) fail("a comment is never closed");
    const char sign = close > at_ ? source_[close - 1] : '\0';
    size_t end = close + 2;
    if (sign == '-')
      end = space_after(end);
    else if (sign != '+' && end < source_.size() && source_[end] == '\n')
      ++end;
    advance(end);
    line_starting_ = source_[end - 1] == '\n';
  }

  // Everything up to the tag's end.
  void tag_tokens(bool variable) {
    add(variable ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, "");
    std::string open;  // brackets to be closed
    const std::string close = variable ? "}}" : "%}";
    while (true) {
      advance(space_after_at());
      if (at_ >= source_.size()) fail("a tag is never closed");
      if (open.empty()) {
        const char sign = peek();
        const bool signed_end = (sign == '-' || (sign == '+' && !variable)) && is(close, 1);
        if (signed_end || is(close)) {
          add(variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, "");
          size_t end = at_ + 2 + signed_end;
          if (signed_end && sign == '-')
            end = space_after(end);
          else if (!signed_end && !variable && end < source_.size() && source_[end] == '\n')
            ++end;
          advance(end);
          line_starting_ = source_[end - 1] == '\n';
          return;
        }
      }
      const char c = peek();
      if (c == '\'' || c == '"')
        string(c);
      else if (c >= '0' && c <= '9')
        number();
      else if (c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               static_cast<unsigned char>(c) >= 0x80)
        name();
      else
        operation(open);
    }
  }

  size_t space_after_at() const { return space_after(at_); }

  void name() {
    size_t end = at_;
    const auto is_part = [](char c) {
      return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             static_cast<unsigned char>(c) >= 0x80;
    };
    while (end < source_.size() && is_part(source_[end])) ++end;
    const std::string text = source_.substr(at_, end - at_);
    for (size_t i = 0; i < text.size();)
      if (!is_word(next_character(text, i))) fail("unexpected character in a name: " + text);
    add(TokenKind::kName, text);
    advance(end);
  }

  // Digits, with _ between them. Empty when there is none.
  std::string digits(size_t& at, std::string_view allowed = "0123456789") const {
    std::string out;
    while (at < source_.size()) {
      const bool joined = source_[at] == '_' && !out.empty() && at + 1 < source_.size() &&
                          allowed.find(source_[at + 1]) != std::string_view::npos;
      if (!joined && allowed.find(source_[at]) == std::string_view::npos) break;
      if (!joined) out += source_[at];
      ++at;
    }
    return out;
  }

  void number() {
    size_t at = at_;
    const char kind = static_cast<char>(peek(1) | 0x20);
    if (peek() == '0' && (kind == 'x' || kind == 'o' || kind == 'b')) {
      const int base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2;
      at += 2 + (peek(2) == '_');
      const std::string_view allowed = "0123456789abcdefABCDEF";
      const std::string number =
          digits(at, base == 16 ? allowed : allowed.substr(0, static_cast<size_t>(base)));
      integer(number, base, at);
      return;
    }
    std::string text = digits(at);
    bool real = false;
    // A number after a dot, as in a.0.1, has no fraction.
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    if (!after_dot) {
      size_t next = at + 1;
      if (at < source_.size() && source_[at] == '.') {
        if (const std::string fraction = digits(next); !fraction.empty()) {
          text += "." + fraction;
          at = next;
          real = true;
        }
      }
      if (at < source_.size() && (source_[at] | 0x20) == 'e') {
        next = at + 1;
        std::string exponent = "e";
        if (next < source_.size() && (source_[next] == '+' || source_[next] == '-'))
          exponent += source_[next++];
        if (const std::string power = digits(next); !power.empty()) {
          text += exponent + power;
          at = next;
          real = true;
        }
      }
    }
    if (!real) {
      if (text.size() > 1 && text[0] == '0' && text.find_first_not_of('0') != std::string::npos)
        fail("a number starts with 0: " + text);
      integer(text, 10, at);
      return;
    }
    Token token{TokenKind::kFloat, text, line_};
    token.real = std::strtod(text.c_str(), nullptr);
    tokens_.push_back(std::move(token));
    advance(at);
  }

  void integer(const std::string& digits, int base, size_t end) {
    Token token{TokenKind::kInteger, digits, line_};
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), token.integer, base);
    if (digits.empty() || result.ec != std::errc()) fail("a number beyond 64 bits: " + digits);
    tokens_.push_back(std::move(token));
    advance(end);
  }

  void string(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail("a string is never closed");
    add(TokenKind::kString, unescaped(source_.substr(at_ + 1, end - at_ - 1)));
    advance(end + 1);
  }

  // Python's escapes. An unknown one stays as it is.
  std::string unescaped(const std::string& text) const {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\' || i + 1 >= text.size()) {
        out += text[i];
        continue;
      }
      const char c = text[++i];
      static constexpr std::string_view kNames = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
      if (const size_t known = kNames.find(c); known != std::string_view::npos) {
        out += kValues[known];
      } else if (c == '\n') {
        continue;
      } else if (c >= '0' && c <= '7') {
        uint32_t value = 0;
        size_t n = 0;
        for (; n < 3 && i + n < text.size() && text[i + n] >= '0' && text[i + n] <= '7'; ++n)
          value = value * 8 + static_cast<uint32_t>(text[i + n] - '0');
        i += n - 1;
        append_character(out, value);
      } else if (c == 'x' || c == 'u' || c == 'U') {
        const size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        uint32_t value = 0;
        const char* begin = text.data() + i + 1;
        if (i + count >= text.size() || std::from_chars(begin, begin + count, value, 16).ptr != begin + count)
          fail(std::string("an incomplete escape \\") + c);
        if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
          fail(std::string("no character has the number of this escape \\") + c);
        append_character(out, value);
        i += count;
      } else if (c == 'N') {
        fail("the escape \\N{…} is not supported");
      } else if (static_cast<unsigned char>(c) >= 0x80) {
        fail("a backslash before a letter beyond ASCII is not supported");
      } else {
        out += '\\';
        out += c;
      }
    }
    return out;
  }

  void operation(std::string& open) {
    static constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view kOne = "+-/*%~[](){}><=.:|,;";
    for (const std::string_view two : kTwo)
      if (is(two)) {
        add(TokenKind::kOperator, std::string(two));
        advance(at_ + 2);
        return;
      }
    const char c = peek();
    if (kOne.find(c) == std::string_view::npos) fail(std::string("unexpected character: ") + c);
    if (c == '(' || c == '[' || c == '{') {
      open += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) fail(std::string("unexpected ") + c);
      open.pop_back();
    }
    add(TokenKind::kOperator, std::string(1, c));
    advance(at_ + 1);
  }

  std::string source_;
  size_t at_ = 0, line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace lora::jinja
