#include "text/characters.h"

#include <unicode/uchar.h>

#include "base/utf8.h"
#include "text/unicode_table.h"

namespace lora {
namespace {

uint32_t category_mask(uint32_t c) {
  return U_GET_GC_MASK(static_cast<UChar32>(c));
}

// Whether a table of Unicode `version` knows `c`.
bool is_of_age(uint32_t c, uint8_t version) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] != 0 && age[0] <= version;
}

// Capital letters of Unicode 16 and 17, which an older ICU does not know.
struct NewCase {
  uint32_t first, last, lower;
};
constexpr NewCase kNewCases[] = {
    {0x1C89, 0x1C89, 0x1C8A},    {0xA7CB, 0xA7CB, 0x264},  {0xA7CC, 0xA7CC, 0xA7CD},
    {0xA7CE, 0xA7CE, 0xA7CF},    {0xA7D2, 0xA7D2, 0xA7D3}, {0xA7D4, 0xA7D4, 0xA7D5},
    {0xA7DA, 0xA7DA, 0xA7DB},    {0xA7DC, 0xA7DC, 0x19B},  {0x10D50, 0x10D65, 0x10D70},
    {0x16EA0, 0x16EB8, 0x16EBB},
};

int grapheme_class(uint32_t c) {
  return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_GRAPHEME_CLUSTER_BREAK);
}

}  // namespace

bool is_white_space(uint32_t c) {
  return u_isUWhiteSpace(static_cast<UChar32>(c));
}

bool is_word(uint32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  c = unicode_stand_in(c);
  return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_ALPHABETIC) ||
         u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_JOIN_CONTROL) ||
         (category_mask(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK));
}

bool is_numeric(uint32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  if ((c >= 0x11DE0 && c <= 0x11DE9) || (c >= 0x16FF4 && c <= 0x16FF6)) return true;  // Unicode 17
  return category_mask(unicode_stand_in(c)) & U_GC_N_MASK;
}

bool is_punctuation(uint32_t c) {
  if (c < 0x80) return c > 0x20 && c < 0x7F && !is_word(c) ? true : c == '_';
  if (c == 0x166D || c == 0x111C9) return true;  // have moved since
  return (category_mask(c) & U_GC_P_MASK) && is_of_age(c, 8);
}

bool is_mark(uint32_t c) {
  if (c == 0x1CF2 || c == 0x1CF3) return true;  // have moved since, as the next has
  if (c == 0x111C9) return false;
  return (category_mask(c) & U_GC_M_MASK) && is_of_age(c, 9);
}

bool is_nonspacing_mark(uint32_t c) {
  if (c == 0x1734) return true;  // has moved since, as the next have
  if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9) return false;
  return (category_mask(c) & U_GC_MN_MASK) && is_of_age(c, 8);
}

bool is_control_or_other(uint32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  return (category_mask(c) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) && is_of_age(c, 8);
}

bool is_cjk_ideograph(uint32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void append_lowercase(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  } else if (c == 0x130) {  // the only one with two characters
    out += "i\u0307";
  } else {
    for (const NewCase& pairs : kNewCases)
      if (c >= pairs.first && c <= pairs.last) return append_utf8(out, c - pairs.first + pairs.lower);
    append_utf8(out, static_cast<uint32_t>(u_tolower(static_cast<UChar32>(c))));
  }
}

size_t previous_character(std::string_view text, size_t end) {
  size_t i = end - 1;
  while (i > 0 && end - i < 4 && (static_cast<uint8_t>(text[i]) & 0xC0) == 0x80) --i;
  return i;
}

size_t grapheme_end(std::string_view text, size_t begin) {
  Utf8Char c = utf8_at(text, begin);
  size_t end = begin + c.length;
  if (!c.valid) return end;
  int before = grapheme_class(c.code_point);
  bool pictographic = u_hasBinaryProperty(static_cast<UChar32>(c.code_point), UCHAR_EXTENDED_PICTOGRAPHIC);
  bool joined = false;  // pictographic, extenders, then ZWJ
  size_t flags = before == U_GCB_REGIONAL_INDICATOR ? 1 : 0;
  for (; end < text.size(); end += c.length) {
    c = utf8_at(text, end);
    if (!c.valid) break;
    const int next = grapheme_class(c.code_point);
    const bool next_pictographic =
        u_hasBinaryProperty(static_cast<UChar32>(c.code_point), UCHAR_EXTENDED_PICTOGRAPHIC);
    const auto is_control = [](int k) { return k == U_GCB_CR || k == U_GCB_LF || k == U_GCB_CONTROL; };
    bool joins = false;
    if (before == U_GCB_CR && next == U_GCB_LF) {
      joins = true;
    } else if (is_control(before) || is_control(next)) {
      joins = false;
    } else if (before == U_GCB_L &&
               (next == U_GCB_L || next == U_GCB_V || next == U_GCB_LV || next == U_GCB_LVT)) {
      joins = true;
    } else if ((before == U_GCB_LV || before == U_GCB_V) && (next == U_GCB_V || next == U_GCB_T)) {
      joins = true;
    } else if ((before == U_GCB_LVT || before == U_GCB_T) && next == U_GCB_T) {
      joins = true;
    } else if (next == U_GCB_EXTEND || next == U_GCB_ZWJ || next == U_GCB_SPACING_MARK ||
               before == U_GCB_PREPEND) {
      joins = true;
    } else if (joined && next_pictographic) {
      joins = true;
    } else if (before == U_GCB_REGIONAL_INDICATOR && next == U_GCB_REGIONAL_INDICATOR) {
      joins = flags % 2 == 1;
    }
    if (!joins) break;
    joined = pictographic && next == U_GCB_ZWJ;
    if (next != U_GCB_EXTEND && next != U_GCB_ZWJ) pictographic = next_pictographic;
    flags = next == U_GCB_REGIONAL_INDICATOR ? flags + 1 : 0;
    before = next;
  }
  return end;
}

}  // namespace lora
