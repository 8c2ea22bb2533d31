#include "text/jinja/python_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace lora::jinja {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool in_mask(char32_t c, uint32_t mask) {
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & mask) != 0;
}

bool is_cased(char32_t c) {
  return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASED);
}

bool is_case_ignorable(char32_t c) {
  return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASE_IGNORABLE);
}

// One character in upper, lower or title case; several when Unicode's full mapping says so.
enum class Case { kUpper, kLower, kTitle };
std::string mapped(char32_t c, Case to) {
  std::string out;
  if (c < 0x80) {
    const bool small = c >= 'a' && c <= 'z', capital = c >= 'A' && c <= 'Z';
    if (to == Case::kLower)
      out += static_cast<char>(capital ? c + 32 : c);
    else
      out += static_cast<char>(small ? c - 32 : c);
    return out;
  }
  if ((c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF) {
    append_character(out, c);
    return out;
  }
  icu::UnicodeString string(static_cast<UChar32>(c));
  if (to == Case::kUpper)
    string.toUpper(icu::Locale::getRoot());
  else if (to == Case::kLower)
    string.toLower(icu::Locale::getRoot());
  else
    string.toTitle(nullptr, icu::Locale::getRoot(),
                   U_TITLECASE_NO_LOWERCASE | U_TITLECASE_NO_BREAK_ADJUSTMENT);
  string.toUTF8String(out);
  return out;
}

// Σ at the end of a word is ς in lower case (Unicode's only rule that looks at neighbours, of those Python follows).
bool is_final_sigma(std::string_view text, size_t begin, size_t end) {
  bool before = false;
  for (size_t at = begin; at > 0;) {
    size_t start = at - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    size_t position = start;
    const char32_t c = next_character(text, position);
    at = start;
    if (is_case_ignorable(c)) continue;
    before = is_cased(c);
    break;
  }
  if (!before) return false;
  for (size_t at = end; at < text.size();) {
    const char32_t c = next_character(text, at);
    if (is_case_ignorable(c)) continue;
    return !is_cased(c);
  }
  return true;
}

// `choose` gives the case for each character.
template <typename Choose>
Text map_case(const Text& text, Choose choose) {
  Text out;
  out.markup = text.markup;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = next_character(text.bytes, at);
    const std::optional<Case> to = choose(c);
    if (!to)
      out.append(text, begin, at);
    else if (c == 0x3A3 && *to == Case::kLower)
      out.append_as(is_final_sigma(text.bytes, begin, at) ? "\u03C2" : "\u03C3", text, begin);
    else
      out.append_as(mapped(c, *to), text, begin);
  }
  return out;
}

// Python's line ends. \r\n counts as one: the caller looks.
bool ends_line(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

struct Piece {
  size_t begin, end;
};

// Words between white space, from the left.
std::vector<Piece> words(std::string_view text) {
  std::vector<Piece> out;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (is_space(next_character(text, at))) {
      inside = false;
    } else if (inside) {
      out.back().end = at;
    } else {
      out.push_back({begin, at});
      inside = true;
    }
  }
  return out;
}

std::vector<Text> pieces(const Text& text, const std::vector<Piece>& ranges) {
  std::vector<Text> out;
  out.reserve(ranges.size());
  for (const Piece& p : ranges) out.push_back(text.piece(p.begin, p.end));
  return out;
}

}  // namespace

char32_t next_character(std::string_view text, size_t& position) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(position);
  const size_t at = position++;
  if (first < 0x80) return first;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + length > text.size()) return 0xDC00 + first;
  char32_t c = first & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0xDC00 + first;
    c = c << 6 | (byte(at + i) & 0x3F);
  }
  if ((length == 3 && (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))) ||
      (length == 4 && (c < 0x10000 || c > 0x10FFFF)))
    return 0xDC00 + first;
  position = at + length;
  return c;
}

void append_character(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c >= 0xDC80 && c <= 0xDCFF) {
    out += static_cast<char>(c - 0xDC00);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

size_t character_count(std::string_view text) {
  if (is_ascii(text)) return text.size();
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) next_character(text, at);
  return count;
}

size_t byte_of_character(std::string_view text, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < text.size(); --index) next_character(text, at);
  return at;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_printable(char32_t c) {
  if (c == ' ') return true;
  return !in_mask(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CS_MASK | U_GC_CO_MASK | U_GC_CN_MASK | U_GC_ZL_MASK |
                         U_GC_ZP_MASK | U_GC_ZS_MASK);
}

bool is_word(char32_t c) {
  std::string one;
  append_character(one, c);
  return c == '_' || is_class(one, "alnum").value_or(false);
}

Text strip(const Text& text, const std::string* chars, bool left, bool right) {
  std::u32string set;
  if (chars)
    for (size_t at = 0; at < chars->size();) set += next_character(*chars, at);
  const auto goes = [&](char32_t c) { return chars ? set.find(c) != std::u32string::npos : is_space(c); };
  size_t begin = 0, end = text.size();
  while (left && begin < end) {
    size_t at = begin;
    if (!goes(next_character(text.bytes, at))) break;
    begin = at;
  }
  while (right && end > begin) {
    size_t start = end - 1;
    while (start > begin && end - start < 4 && (static_cast<unsigned char>(text.bytes[start]) & 0xC0) == 0x80)
      --start;
    size_t at = start;
    char32_t c = next_character(text.bytes, at);
    if (at != end) {  // not UTF-8: the last byte by itself
      start = end - 1;
      c = 0xDC00 + static_cast<unsigned char>(text.bytes[start]);
    }
    if (!goes(c)) break;
    end = start;
  }
  return text.piece(begin, end);
}

std::vector<Text> split(const Text& text, const std::string* separator, int64_t limit) {
  std::vector<Piece> ranges;
  if (!separator) {
    ranges = words(text.bytes);
    if (limit >= 0 && ranges.size() > static_cast<size_t>(limit)) {
      ranges.resize(static_cast<size_t>(limit) + 1);
      ranges.back().end = text.size();
    }
    return pieces(text, ranges);
  }
  size_t begin = 0;
  for (; limit != 0; --limit) {
    const size_t at = text.bytes.find(*separator, begin);
    if (at == std::string::npos) break;
    ranges.push_back({begin, at});
    begin = at + separator->size();
  }
  ranges.push_back({begin, text.size()});
  return pieces(text, ranges);
}

std::vector<Text> rsplit(const Text& text, const std::string* separator, int64_t limit) {
  std::vector<Piece> ranges;
  if (!separator) {
    ranges = words(text.bytes);
    if (limit >= 0 && ranges.size() > static_cast<size_t>(limit)) {
      const size_t joined = ranges.size() - static_cast<size_t>(limit);
      ranges[joined - 1].begin = 0;
      ranges.erase(ranges.begin(), ranges.begin() + static_cast<std::ptrdiff_t>(joined - 1));
    }
    return pieces(text, ranges);
  }
  size_t end = text.size();
  for (; limit != 0 && end >= separator->size(); --limit) {
    const size_t at = text.bytes.rfind(*separator, end - separator->size());
    if (at == std::string::npos) break;
    ranges.push_back({at + separator->size(), end});
    end = at;
  }
  ranges.push_back({0, end});
  std::reverse(ranges.begin(), ranges.end());
  return pieces(text, ranges);
}

std::vector<Text> split_lines(const Text& text, bool keep_ends) {
  std::vector<Text> out;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t here = at;
    const char32_t c = next_character(text.bytes, at);
    if (!ends_line(c)) continue;
    if (c == '\r' && at < text.size() && text.bytes[at] == '\n') ++at;
    out.push_back(text.piece(begin, keep_ends ? at : here));
    begin = at;
  }
  if (begin < text.size()) out.push_back(text.piece(begin, text.size()));
  return out;
}

Text replace(const Text& text, const std::string& from, const Text& to, int64_t limit) {
  Text out;
  size_t begin = 0;
  if (from.empty()) {
    for (size_t at = 0; limit != 0; --limit) {
      out.append(to);
      if (at >= text.size()) break;
      next_character(text.bytes, at);
      out.append(text, begin, at);
      begin = at;
    }
  } else {
    for (; limit != 0; --limit) {
      const size_t at = text.bytes.find(from, begin);
      if (at == std::string::npos) break;
      out.append(text, begin, at);
      out.append(to);
      begin = at + from.size();
    }
  }
  if (begin < text.size()) out.append(text, begin, text.size());
  return out;
}

Text upper(const Text& text) {
  return map_case(text, [](char32_t) { return Case::kUpper; });
}

Text lower(const Text& text) {
  return map_case(text, [](char32_t) { return Case::kLower; });
}

Text capitalize(const Text& text) {
  bool first = true;
  return map_case(text, [&](char32_t) { return std::exchange(first, false) ? Case::kTitle : Case::kLower; });
}

Text title(const Text& text) {
  bool inside = false;
  return map_case(text, [&](char32_t c) {
    const bool was_inside = std::exchange(inside, is_cased(c));
    return was_inside ? Case::kLower : Case::kTitle;
  });
}

Text title_words(const Text& text) {
  Text out;
  out.markup = text.markup;
  const auto breaks = [](char32_t c) {
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin, first = 0;
    bool gap = false;
    for (size_t at = begin; at < text.size(); end = at) {
      const bool here = breaks(next_character(text.bytes, at));
      if (end == begin)
        gap = here, first = at;
      else if (here != gap)
        break;
    }
    out.append(upper(text.piece(begin, first)));
    out.append(lower(text.piece(first, end)));
    begin = end;
  }
  return out;
}

std::optional<bool> is_class(std::string_view text, std::string_view name) {
  if (name == "ascii") return is_ascii(text);
  const auto decimal = [](char32_t c) { return in_mask(c, U_GC_ND_MASK); };
  const auto numeric_type = [](char32_t c) {
    return static_cast<UNumericType>(u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE));
  };
  const auto each = [&](auto is) {
    bool any = false;
    for (size_t at = 0; at < text.size();) {
      if (!is(next_character(text, at))) return false;
      any = true;
    }
    return any;
  };
  const auto numeric = [&](char32_t c) { return numeric_type(c) != U_NT_NONE; };
  if (name == "space") return each(is_space);
  if (name == "alpha") return each([](char32_t c) { return in_mask(c, U_GC_L_MASK); });
  if (name == "decimal") return each(decimal);
  if (name == "digit")
    return each([&](char32_t c) { return numeric_type(c) == U_NT_DECIMAL || numeric_type(c) == U_NT_DIGIT; });
  if (name == "numeric") return each(numeric);
  if (name == "alnum") return each([&](char32_t c) { return in_mask(c, U_GC_L_MASK) || numeric(c); });
  const auto is_upper = [](char32_t c) {
    return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_UPPERCASE);
  };
  const auto is_lower = [](char32_t c) {
    return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_LOWERCASE);
  };
  const auto is_title = [](char32_t c) { return in_mask(c, U_GC_LT_MASK); };
  if (name == "upper" || name == "lower") {
    bool any = false;
    for (size_t at = 0; at < text.size();) {
      const char32_t c = next_character(text, at);
      const bool up = is_upper(c), low = is_lower(c);
      if (is_title(c) || (name == "upper" ? low : up)) return false;
      any = any || up || low;
    }
    return any;
  }
  if (name == "title") {
    bool any = false, inside = false;
    for (size_t at = 0; at < text.size();) {
      const char32_t c = next_character(text, at);
      if (is_upper(c) || is_title(c)) {
        if (inside) return false;
        inside = any = true;
      } else if (is_lower(c)) {
        if (!inside) return false;
        any = true;
      } else {
        inside = false;
      }
    }
    return any;
  }
  return std::nullopt;
}

Text escape_html(const Text& text) {
  Text out;
  out.markup = true;
  if (text.markup) return text;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text.bytes[i]) {
      case '&':
        out.append_as("&amp;", text, i);
        break;
      case '<':
        out.append_as("&lt;", text, i);
        break;
      case '>':
        out.append_as("&gt;", text, i);
        break;
      case '"':
        out.append_as("&#34;", text, i);
        break;
      case '\'':
        out.append_as("&#39;", text, i);
        break;
      default:
        out.append(text, i, i + 1);
    }
  }
  return out;
}

Text quoted(const Text& text) {
  const bool doubled =
      text.bytes.find('\'') != std::string::npos && text.bytes.find('"') == std::string::npos;
  const char quote = doubled ? '"' : '\'';
  Text out;
  out.append(std::string_view(&quote, 1));
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = next_character(text.bytes, at);
    char escape[16] = "";
    if (c == static_cast<char32_t>(quote) || c == '\\')
      std::snprintf(escape, sizeof escape, "\\%c", static_cast<char>(c));
    else if (c == '\n')
      std::snprintf(escape, sizeof escape, "\\n");
    else if (c == '\r')
      std::snprintf(escape, sizeof escape, "\\r");
    else if (c == '\t')
      std::snprintf(escape, sizeof escape, "\\t");
    else if (!is_printable(c))
      std::snprintf(escape, sizeof escape,
                    c < 0x100     ? "\\x%02x"
                    : c < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                    static_cast<unsigned>(c));
    if (escape[0])
      out.append_as(escape, text, begin);
    else
      out.append(text, begin, at);
  }
  out.append(std::string_view(&quote, 1));
  return out;
}

}  // namespace lora::jinja
