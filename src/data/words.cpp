#include "data/words.h"

#include <xxhash.h>

#include "base/utf8.h"

namespace lora {
namespace {

enum class Class : uint8_t { kSpace, kPunctuation, kLetter, kDigit, kSign, kIdeograph, kMark };

bool in(uint32_t c, uint32_t first, uint32_t last) {
  return c >= first && c <= last;
}

Class class_of_ascii(uint32_t c) {
  if (c == ' ' || in(c, '\t', '\r')) return Class::kSpace;
  if (in(c, 'a', 'z') || in(c, 'A', 'Z') || c == '_') return Class::kLetter;
  if (in(c, '0', '9')) return Class::kDigit;
  return std::string_view("+=<>%^&|$@~#*/\\-").find(static_cast<char>(c)) != std::string_view::npos
             ? Class::kSign
             : Class::kPunctuation;
}

// By Unicode block: enough to part words, without a table of two hundred thousand characters.
Class class_of(uint32_t c) {
  if (c < 0x80) return class_of_ascii(c);
  if (c == 0xA0 || in(c, 0x2000, 0x200A) || c == 0x202F || c == 0x205F || c == 0x3000) return Class::kSpace;
  if (c == 0xAA || c == 0xB5 || c == 0xBA || in(c, 0xC0, 0xD6) || in(c, 0xD8, 0xF6)) return Class::kLetter;
  if (in(c, 0xA2, 0xA5) || c == 0xB0 || c == 0xB1 || c == 0xD7 || c == 0xF7) return Class::kSign;
  if (c < 0xC0) return Class::kPunctuation;
  if (in(c, 0x0300, 0x036F) || in(c, 0xFE00, 0xFE0F) || c == 0x200D) return Class::kMark;
  if (in(c, 0x2010, 0x206F) || in(c, 0x2E00, 0x2E7F) || in(c, 0x3001, 0x303F) || in(c, 0xFE10, 0xFE6F) ||
      c == 0x200B || c == 0x200C || c == 0xFEFF || in(c, 0xFF5F, 0xFF65) || c == 0x60C || c == 0x61B ||
      c == 0x61F || c == 0x964 || c == 0x965)
    return Class::kPunctuation;
  if (in(c, 0xFF01, 0xFF5E)) return class_of_ascii(c - 0xFF01 + '!');
  if (in(c, 0x20A0, 0x20CF) || in(c, 0x2100, 0x2BFF) || in(c, 0x1F000, 0x1FAFF)) return Class::kSign;
  if (in(c, 0x0E00, 0x0EFF) || in(c, 0x2E80, 0x30FF) || in(c, 0x31F0, 0x9FFF) || in(c, 0xF900, 0xFAFF) ||
      in(c, 0xFF66, 0xFF9F) || in(c, 0x20000, 0x3FFFF))
    return Class::kIdeograph;
  return Class::kLetter;
}

uint32_t lower(uint32_t c) {
  if (in(c, 'A', 'Z')) return c + 32;
  if (c < 0xC0) return c;
  if (in(c, 0xC0, 0xDE) && c != 0xD7) return c + 32;
  if (in(c, 0x100, 0x137) || in(c, 0x14A, 0x177)) return c | 1;
  if (in(c, 0x139, 0x148) || in(c, 0x179, 0x17E)) return c + (c & 1);
  if (in(c, 0x391, 0x3A9)) return c + 32;
  if (in(c, 0x410, 0x42F)) return c + 32;
  if (in(c, 0x400, 0x40F)) return c + 80;
  if (in(c, 0x1E00, 0x1EFF)) return c | 1;
  if (in(c, 0xFF01, 0xFF5E)) return lower(c - 0xFF01 + '!');
  return c;
}

bool joins(Class c) {
  return c == Class::kLetter || c == Class::kDigit || c == Class::kMark;
}

// Whether a sign can mean something where it stands.
bool sign_counts(uint32_t sign, Class before, Class after, bool first_of_line, uint32_t previous,
                 uint32_t next) {
  const bool letter_beside = before == Class::kLetter || after == Class::kLetter;
  switch (sign) {
    case '-':
      return !first_of_line && (before == Class::kDigit || after == Class::kDigit);
    case '*':
      return !first_of_line && !letter_beside && previous != '*' && next != '*';
    case '/':
    case '\\':
    case '&':
      return !letter_beside;
    case '#':
      return joins(before) || after == Class::kDigit;
    case '>':
    case '~':
    case '=':
      return !first_of_line;
    default:
      return true;
  }
}

template <typename Each>
void scan(std::string_view text, const Each& each) {
  std::string word;
  size_t word_begin = 0;
  Class before = Class::kSpace;
  uint32_t previous = '\n';
  bool first_of_line = true;
  const auto flush = [&] {
    if (!word.empty()) each(std::string_view(word), word_begin);
    word.clear();
  };
  const auto peek = [&](size_t at) {
    const Utf8Char c = at < text.size() ? utf8_at(text, at) : Utf8Char{' ', 1, true, false};
    return c.valid ? c.code_point : uint32_t{' '};
  };
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const Utf8Char c = byte < 0x80 ? Utf8Char{byte, 1, true, false} : utf8_at(text, i);
    const size_t at = i;
    i += c.length;
    if (!c.valid) continue;
    const Class kind = class_of(c.code_point);
    if (joins(kind)) {
      if (word.empty()) word_begin = at;
      const uint32_t folded = lower(c.code_point);
      if (kind == Class::kMark && word.empty()) continue;  // a mark on nothing
      if (folded < 0x80)
        word += static_cast<char>(folded);
      else if (folded == 0xDF)  // ß is SS in capitals
        word += "ss";
      else
        append_utf8(word, folded);
    } else {
      const bool apostrophe = c.code_point == '\'' || c.code_point == 0x2019;
      const bool point = c.code_point == '.' || c.code_point == ',';
      const bool inside =
          !word.empty() && ((apostrophe && class_of(peek(i)) == Class::kLetter) ||
                            (point && before == Class::kDigit && class_of(peek(i)) == Class::kDigit));
      if (inside) {
        if (point) word += static_cast<char>(c.code_point);
        continue;
      }
      flush();
      if (kind == Class::kIdeograph ||
          (kind == Class::kSign &&
           sign_counts(c.code_point, before, class_of(peek(i)), first_of_line, previous, peek(i)))) {
        append_utf8(word, lower(c.code_point));
        word_begin = at;
        flush();
      }
    }
    if (c.code_point == '\n')
      first_of_line = true;
    else if (kind != Class::kSpace)
      first_of_line = false;
    if (kind != Class::kSpace)
      before = kind;
    else if (before != Class::kDigit)
      before = kind;
    previous = c.code_point;
  }
  flush();
}

}  // namespace

void for_each_word(std::string_view text, const std::function<void(std::string_view, size_t)>& each) {
  scan(text, each);
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  scan(text, [&](std::string_view word, size_t) { words.emplace_back(word); });
  return words;
}

void append_word_hashes(std::string_view text, std::vector<uint32_t>& out) {
  scan(text, [&](std::string_view word, size_t) {
    const auto hash = static_cast<uint32_t>(XXH3_64bits(word.data(), word.size()));
    out.push_back((hash & ~1u) | (word.find_first_of("0123456789") != std::string_view::npos ? 1u : 0u));
  });
}

uint64_t words_hash(std::string_view text, uint64_t seed) {
  uint64_t hash = seed;
  bool any = false;
  scan(text, [&](std::string_view word, size_t) {
    hash = XXH3_64bits_withSeed(word.data(), word.size(), hash);
    any = true;
  });
  return any ? hash : XXH3_64bits_withSeed(text.data(), text.size(), ~seed);
}

}  // namespace lora
