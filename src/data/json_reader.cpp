#include "data/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

#include "base/utf8.h"

namespace lora {
namespace {

using Kind = JsonProblemKind;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

// Recursive descent. A function returns false once `problem_` is set, and everything unwinds.
class Reader {
 public:
  Reader(std::string_view text, const JsonOptions& options) : text_(text), options_(options) {}

  JsonText read() {
    JsonText result;
    if (text_.starts_with("\xEF\xBB\xBF")) {
      fail(Kind::kByteOrderMark, 0, "a byte order mark (U+FEFF)", "JSON text",
           "Save the file as UTF-8 without BOM.");
    } else {
      skip_space();
      if (at_end())
        fail(Kind::kEmpty, at_, "nothing but white space", "a JSON value", "");
      else if (read_value(result.value, result.place, 0))
        check_end();
    }
    if (problem_) {
      result.problem = std::move(problem_);
      result.value = nullptr;
      result.place = {};
    }
    return result;
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  char peek(size_t ahead) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void skip_space() {
    while (!at_end() && is_space(text_[at_])) ++at_;
  }

  bool fail(Kind kind, size_t offset, std::string found, std::string expected, std::string fix) {
    problem_ = JsonProblem{kind, offset, std::move(found), std::move(expected), std::move(fix)};
    return false;
  }
  bool fail_truncated(std::string inside, std::string expected) {
    return fail(Kind::kTruncated, text_.size(), "the text ends " + std::move(inside), std::move(expected),
                "The text was cut off, or spread over several lines; complete it on one line.");
  }

  // The character at `at_` for a message.
  std::string shown() const {
    const size_t length = utf8_sequence_length(text_, at_);
    const auto byte = static_cast<unsigned char>(peek());
    if (length == 0 || byte < 0x20 || byte == 0x7F) return fmt::format("the byte 0x{:02x}", byte);
    if (length == 1) return fmt::format("'{}'", static_cast<char>(byte));
    // Beyond ASCII the number tells apart what looks alike, or like nothing: U+00A0 is a blank to the eye.
    uint32_t code_point = byte & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; ++i)
      code_point = (code_point << 6) | (static_cast<unsigned char>(peek(i)) & 0x3Fu);
    return fmt::format("the character U+{:04X}", code_point);
  }

  bool read_value(nlohmann::json& value, JsonPlace& place, size_t depth) {
    place.begin = at_;
    bool good;
    switch (peek()) {
      case '{':
        good = read_object(value, place, depth);
        break;
      case '[':
        good = read_array(value, place, depth);
        break;
      case '"':
        good = read_string_value(value);
        break;
      case 't':
        good = read_literal("true", value, true);
        break;
      case 'f':
        good = read_literal("false", value, false);
        break;
      case 'n':
        good = read_literal("null", value, nullptr);
        break;
      case '-':
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9':
        good = read_number(value);
        break;
      default:
        good = fail_here("a value");
    }
    place.end = at_;
    return good;
  }

  // Something stands at `at_` that cannot begin what is expected there: says what it looks like.
  bool fail_here(std::string expected) {
    if (at_end()) return fail_truncated("where " + expected + " should stand", expected);
    const std::string_view rest = text_.substr(at_);
    if (rest[0] == '\'')
      return fail(Kind::kSingleQuotes, at_, "single quotes", "double quotes (\")",
                  "Write strings and keys in double quotes; Python's json.dumps does, str() does not.");
    for (std::string_view quote :
         {"\xE2\x80\x9C", "\xE2\x80\x9D", "\xE2\x80\x98", "\xE2\x80\x99", "\xC2\xAB"})
      if (rest.starts_with(quote))
        return fail(Kind::kTypographicQuotes, at_, fmt::format("a typographic quote {}", quote),
                    "a plain double quote (\")", "Replace it; a word processor may have changed it.");
    if (rest.starts_with("//") || rest.starts_with("/*") || rest[0] == '#')
      return fail(Kind::kComment, at_, "a comment", expected, "Remove it: JSON has no comments.");
    if (utf8_sequence_length(text_, at_) == 0) return fail_utf8();
    if (rest[0] == '+' || (rest[0] == '.' && is_digit(peek(1))))
      return fail(Kind::kBadNumber, at_, fmt::format("a number that begins with '{}'", rest[0]),
                  "a digit or a minus sign", "Write 1 for +1 and 0.5 for .5.");
    if (is_letter(rest[0])) return fail_word(std::move(expected));
    return fail(Kind::kUnexpected, at_, shown(), std::move(expected), "");
  }

  bool fail_word(std::string expected) {
    size_t end = at_;
    while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    const std::string word(text_.substr(at_, std::min<size_t>(end - at_, 40)));
    if (word == "NaN" || word == "Infinity" || word == "nan" || word == "inf")
      return fail(Kind::kNotANumber, at_, word, "a number or null", "Write null: JSON has no " + word + ".");
    std::string lower = word;
    for (char& c : lower) c = (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower == "true" || lower == "false" || lower == "null" || lower == "none" || lower == "undefined") {
      const bool means_null = lower == "none" || lower == "undefined";
      return fail(Kind::kWrongLiteral, at_, word, "true, false or null",
                  fmt::format("Write {}.", means_null ? "null" : lower));
    }
    return fail(Kind::kUnexpected, at_, fmt::format("the bare word {}", word), std::move(expected),
                "Put strings in double quotes.");
  }

  bool fail_utf8() {
    return fail(Kind::kInvalidUtf8, at_,
                fmt::format("the byte 0x{:02x} is not valid UTF-8", static_cast<unsigned char>(peek())),
                "UTF-8", "Convert the file to UTF-8, e.g. iconv -f WINDOWS-1252 -t UTF-8 old > new.");
  }

  template <typename Value>
  bool read_literal(std::string_view literal, nlohmann::json& out, Value value) {
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with(literal)) {
      const char after = rest.size() > literal.size() ? rest[literal.size()] : ' ';
      if (!is_letter(after) && !is_digit(after)) {
        out = value;
        at_ += literal.size();
        return true;
      }
    } else if (literal.starts_with(rest)) {
      return fail_truncated(fmt::format("inside the word {}", literal), std::string(literal));
    }
    return fail_word("a value");
  }

  bool read_number(nlohmann::json& out) {
    const size_t begin = at_;
    const auto bad = [&](std::string found, std::string expected) {
      if (at_end()) return fail_truncated("inside a number", std::move(expected));
      return fail(Kind::kBadNumber, begin, std::move(found), std::move(expected), "");
    };
    bool integer = true;
    if (peek() == '-') {
      ++at_;
      if (text_.substr(at_).starts_with("Infinity") || text_.substr(at_).starts_with("NaN"))
        return fail(Kind::kNotANumber, begin, "-Infinity or -NaN", "a number or null", "Write null.");
    }
    if (!is_digit(peek())) return bad("a minus sign without a number", "a digit");
    if (peek() == '0' && is_digit(peek(1)))
      return fail(Kind::kBadNumber, begin, "a number with a leading zero", "a number without it",
                  "Remove the zero, or write the number as a string if it is a code.");
    while (is_digit(peek())) ++at_;
    if (peek() == '.') {
      integer = false;
      ++at_;
      if (!is_digit(peek())) return bad("a number that ends in a decimal point", "a digit");
      while (is_digit(peek())) ++at_;
    }
    if (peek() == 'e' || peek() == 'E') {
      integer = false;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!is_digit(peek())) return bad("a number with an empty exponent", "a digit");
      while (is_digit(peek())) ++at_;
    }
    return number_value(text_.substr(begin, at_ - begin), begin, integer, out);
  }

  bool number_value(std::string_view number, size_t begin, bool integer, nlohmann::json& out) {
    const char* first = number.data();
    const char* last = first + number.size();
    if (integer) {
      int64_t as_signed = 0;
      if (std::from_chars(first, last, as_signed).ec == std::errc()) {
        out = as_signed;
        return true;
      }
      uint64_t as_unsigned = 0;
      if (number[0] != '-' && std::from_chars(first, last, as_unsigned).ec == std::errc()) {
        out = as_unsigned;
        return true;
      }
    }
    double as_double = 0;
    if (std::from_chars(first, last, as_double).ec == std::errc::result_out_of_range) {
      if (is_number_too_large(number))
        return fail(Kind::kNumberTooLarge, begin, "a number too large for a double", "at most 1.8e308",
                    "Write it as a string.");
      as_double = number[0] == '-' ? -0.0 : 0.0;
    }
    out = as_double;
    return true;
  }

  bool read_string_value(nlohmann::json& out) {
    std::string text;
    if (!read_string(text)) return false;
    out = std::move(text);
    return true;
  }

  // At an opening quote. Leaves `at_` after the closing one.
  bool read_string(std::string& out) {
    const size_t begin = at_++;
    while (true) {
      const size_t plain = at_;
      while (!at_end()) {
        const auto c = static_cast<unsigned char>(text_[at_]);
        if (c == '"' || c == '\\' || c < 0x20) break;
        if (c < 0x80) {
          ++at_;
          continue;
        }
        const size_t length = utf8_sequence_length(text_, at_);
        if (length == 0) return fail_utf8();
        at_ += length;
      }
      out.append(text_, plain, at_ - plain);
      if (at_end())
        return fail_truncated(
            fmt::format("inside the string that begins at column {}", position_of(text_, begin).column),
            "a closing quote");
      if (text_[at_] == '"') {
        ++at_;
        return true;
      }
      if (text_[at_] == '\\') {
        if (!read_escape(out)) return false;
      } else {
        const auto c = static_cast<unsigned char>(text_[at_]);
        const char* name = c == '\n'   ? "a raw line break"
                           : c == '\t' ? "a raw tab"
                                       : "a raw control character";
        const std::string escape = c == '\n'   ? "\\n"
                                   : c == '\t' ? "\\t"
                                   : c == '\r' ? "\\r"
                                               : fmt::format("\\u{:04x}", c);
        return fail(Kind::kControlCharacter, at_, fmt::format("{} (0x{:02x}) inside a string", name, c),
                    escape, fmt::format("Write it as {}.", escape));
      }
    }
  }

  // Four hex digits from `offset`; nothing when they are not there.
  std::optional<uint32_t> hex4(size_t offset) const {
    if (offset > text_.size() || text_.size() - offset < 4) return std::nullopt;
    uint32_t code = 0;
    const auto [end, error] = std::from_chars(text_.data() + offset, text_.data() + offset + 4, code, 16);
    if (error != std::errc() || end != text_.data() + offset + 4) return std::nullopt;
    return code;
  }

  bool read_escape(std::string& out) {
    const size_t backslash = at_++;
    if (at_end()) return fail_truncated("inside an escape", "an escape like \\n");
    const char c = text_[at_++];
    switch (c) {
      case '"':
      case '\\':
      case '/':
        out += c;
        return true;
      case 'b':
        out += '\b';
        return true;
      case 'f':
        out += '\f';
        return true;
      case 'n':
        out += '\n';
        return true;
      case 'r':
        out += '\r';
        return true;
      case 't':
        out += '\t';
        return true;
      case 'u':
        break;
      default: {
        --at_;
        const std::string what = shown();
        at_ = backslash;
        return fail(Kind::kInvalidEscape, backslash, fmt::format("a backslash before {}", what),
                    "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX",
                    "Double the backslash if you mean a backslash.");
      }
    }
    const auto code = hex4(at_);
    if (!code) {
      if (text_.size() - at_ < 4 && text_.substr(at_).find('"') == std::string_view::npos)
        return fail_truncated("inside an escape", "four hex digits after \\u");
      return fail(Kind::kInvalidEscape, backslash, "\\u without four hex digits", "\\uXXXX", "");
    }
    at_ += 4;
    uint32_t code_point = *code;
    if (code_point >= 0xD800 && code_point <= 0xDFFF) {
      std::optional<uint32_t> low;
      if (code_point < 0xDC00 && text_.substr(at_).starts_with("\\u")) low = hex4(at_ + 2);
      if (!low || *low < 0xDC00 || *low > 0xDFFF)
        return fail(Kind::kLoneSurrogate, backslash, fmt::format("the lone surrogate \\u{:04x}", code_point),
                    "a pair of surrogates", "Write the character itself; half a character was cut off here.");
      code_point = 0x10000 + ((code_point - 0xD800) << 10) + (*low - 0xDC00);
      at_ += 6;
    }
    append_utf8(out, code_point);
    return true;
  }

  bool check_depth(size_t depth) {
    if (depth < options_.max_depth) return true;
    return fail(Kind::kTooDeep, at_, fmt::format("values nested deeper than {} levels", options_.max_depth),
                fmt::format("at most {}", options_.max_depth), "");
  }

  bool read_array(nlohmann::json& out, JsonPlace& place, size_t depth) {
    if (!check_depth(depth)) return false;
    out = nlohmann::json::array();
    ++at_;
    skip_space();
    if (peek() == ']') {
      ++at_;
      return true;
    }
    while (true) {
      nlohmann::json item;
      JsonPlace item_place;
      if (!read_value(item, item_place, depth + 1)) return false;
      const bool is_string = item.is_string();
      out.push_back(std::move(item));
      if (options_.keep_places) place.children.push_back(std::move(item_place));
      bool closed = false;
      if (!read_separator(']', "the array", is_string, closed)) return false;
      if (closed) return true;
    }
  }

  bool read_object(nlohmann::json& out, JsonPlace& place, size_t depth) {
    if (!check_depth(depth)) return false;
    out = nlohmann::json::object();
    ++at_;
    skip_space();
    if (peek() == '}') {
      ++at_;
      return true;
    }
    while (true) {
      JsonPlace member_place;
      nlohmann::json value;
      if (!read_member(out, member_place, value, depth)) return false;
      const bool is_string = value.is_string();
      out[member_place.key] = std::move(value);
      if (options_.keep_places) place.children.push_back(std::move(member_place));
      bool closed = false;
      if (!read_separator('}', "the object", is_string, closed)) return false;
      if (closed) return true;
    }
  }

  bool read_member(const nlohmann::json& object, JsonPlace& place, nlohmann::json& value, size_t depth) {
    const size_t key_begin = at_;
    if (peek() != '"') {
      if (is_letter(peek()))
        return fail(Kind::kUnquotedKey, at_, "a key without quotes", "a key in double quotes",
                    "Put it in double quotes.");
      return fail_here("a key in double quotes");
    }
    std::string key;
    if (!read_string(key)) return false;
    if (options_.refuse_duplicate_keys && object.contains(key))
      return fail(Kind::kDuplicateKey, key_begin,
                  fmt::format("the key \"{}\" stands twice in one object", key), "each key once",
                  "Remove one of them.");
    const size_t key_end = at_;
    skip_space();
    if (peek() != ':') {
      if (at_end()) return fail_truncated("after a key", "a colon");
      if (looks_unescaped(key_end)) return fail_unescaped_quote(key_end - 1);
      return fail(Kind::kUnexpected, at_, shown() + " after a key", "a colon", "");
    }
    ++at_;
    skip_space();
    if (!read_value(value, place, depth + 1)) return false;
    place.key = std::move(key);
    place.key_begin = key_begin;
    return true;
  }

  // A string closed just before `string_end`, and what follows (at `at_`, after white space) cannot follow a
  // string: was the quote meant to be inside? Text right behind it, or a word after a blank, says so.
  bool looks_unescaped(size_t string_end) const {
    const char next = peek();
    if (next == '/' || next == '#') return at_ == string_end;  // after a blank it is rather a comment
    if (next == ',' || next == '}' || next == ']') return false;
    return at_ == string_end || (next != '"' && next != '{' && next != '[');
  }

  bool fail_unescaped_quote(size_t quote) {
    return fail(Kind::kUnescapedQuote, quote, "an unescaped quote ends the string too early",
                "\\\" inside a string", "Write every quote inside the text as \\\".");
  }

  // After a value: a comma (then the next item must follow), or the closing bracket.
  bool read_separator(char close, const char* container, bool after_string, bool& closed) {
    const size_t value_end = at_;
    skip_space();
    if (at_end())
      return fail_truncated(fmt::format("before {} is closed", container), fmt::format("',' or '{}'", close));
    if (peek() == close) {
      ++at_;
      closed = true;
      return true;
    }
    if (peek() == ',') {
      const size_t comma = at_++;
      skip_space();
      if (peek() == close)
        return fail(Kind::kTrailingComma, comma, fmt::format("a trailing comma before '{}'", close),
                    "another item", "Remove the comma.");
      return true;
    }
    if (after_string && looks_unescaped(value_end)) return fail_unescaped_quote(value_end - 1);
    if (peek() == '/' || peek() == '#') return fail_here(fmt::format("',' or '{}'", close));
    if (utf8_sequence_length(text_, at_) == 0) return fail_utf8();
    if (peek() == '"' || peek() == '{' || peek() == '[' || peek() == '-' || is_digit(peek()))
      return fail(Kind::kMissingComma, value_end, "no comma between two items",
                  fmt::format("',' or '{}'", close), "Put a comma here.");
    return fail(Kind::kUnexpected, at_, shown(), fmt::format("',' or '{}'", close), "");
  }

  void check_end() {
    const size_t value_end = at_;
    skip_space();
    if (at_end()) return;
    if (text_[0] == '"' && looks_unescaped(value_end)) {
      fail_unescaped_quote(value_end - 1);
    } else if (utf8_sequence_length(text_, at_) == 0) {
      fail_utf8();
    } else {
      fail(Kind::kExtraText, at_, shown() + " after the end of the value", "one JSON value",
           "Put each value on a line of its own.");
    }
  }

  std::string_view text_;
  const JsonOptions& options_;
  size_t at_ = 0;
  std::optional<JsonProblem> problem_;
};

}  // namespace

bool is_number_too_large(std::string_view number) {
  int64_t magnitude = 0;  // decimal exponent of the first digit that is not zero
  bool seen_point = false, seen_digit = false;
  size_t i = number[0] == '-' ? 1 : 0;
  for (; i < number.size() && (is_digit(number[i]) || number[i] == '.'); ++i) {
    if (number[i] == '.') {
      seen_point = true;
    } else if (seen_digit || number[i] != '0') {
      seen_digit = true;
      if (!seen_point) ++magnitude;
    } else if (seen_point) {
      --magnitude;
    }
  }
  int64_t exponent = 0;
  bool negative = false;
  for (++i; i < number.size(); ++i) {  // number[i - 1] was 'e' or 'E', or the end
    if (number[i] == '-') negative = true;
    if (is_digit(number[i]))
      exponent = std::min<int64_t>(exponent * 10 + (number[i] - '0'), int64_t{1} << 40);
  }
  return magnitude + (negative ? -exponent : exponent) > 0;
}

const JsonPlace& JsonPlace::at(std::string_view name) const {
  const auto member =
      std::find_if(children.rbegin(), children.rend(), [&](const auto& c) { return c.key == name; });
  if (member == children.rend()) throw std::out_of_range("JsonPlace::at");
  return *member;
}

JsonText read_json(std::string_view text, const JsonOptions& options) {
  return Reader(text, options).read();
}

}  // namespace lora
