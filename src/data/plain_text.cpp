#include "data/plain_text.h"

#include <algorithm>

#include "base/utf8.h"

namespace lora {
namespace {

size_t leading_space(std::string_view text) {
  if (text.empty()) return 0;
  if (is_blank(text[0])) return 1;
  if (text.starts_with("\xC2\xA0")) return 2;
  if (text.starts_with("\xE3\x80\x80") || text.starts_with("\xEF\xBB\xBF")) return 3;
  return 0;
}

size_t trailing_space(std::string_view text) {
  if (text.empty()) return 0;
  if (is_blank(text.back())) return 1;
  if (text.ends_with("\xC2\xA0")) return 2;
  if (text.ends_with("\xE3\x80\x80") || text.ends_with("\xEF\xBB\xBF")) return 3;
  return 0;
}

bool is_space_less(uint32_t c) {  // Han, kana, Thai, Lao, Khmer, Myanmar
  return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) || (c >= 0x0E00 && c <= 0x0EFF) ||
         (c >= 0x1000 && c <= 0x109F) || (c >= 0x1780 && c <= 0x17FF) || (c >= 0x20000 && c <= 0x3FFFF);
}

}  // namespace

std::string_view trimmed_text(std::string_view text) {
  while (const size_t n = leading_space(text)) text.remove_prefix(n);
  while (const size_t n = trailing_space(text)) text.remove_suffix(n);
  return text;
}

std::vector<std::string_view> lines_of(std::string_view text, size_t most) {
  std::vector<std::string_view> lines;
  while (!text.empty() && lines.size() < most) {
    if (lines.size() + 1 == most) {
      lines.push_back(text);
      break;
    }
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string_view> space_words(std::string_view text, size_t most) {
  std::vector<std::string_view> words;
  size_t i = 0;
  while (words.size() < most) {
    while (i < text.size() && is_blank(text[i])) ++i;
    if (i == text.size()) break;
    const size_t begin = i;
    while (i < text.size() && !is_blank(text[i])) ++i;
    words.push_back(text.substr(begin, i - begin));
  }
  return words;
}

size_t character_count(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string first_characters(std::string_view text, size_t characters) {
  size_t i = 0;
  for (; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    if (characters-- == 0) break;
  }
  std::string out(text.substr(0, i));
  std::replace_if(out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  if (i < text.size()) out += "\xE2\x80\xA6";
  return out;
}

uint32_t fold_letter(uint32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
  if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) return c == 0x130 || c == 0x131 ? c : c | 1;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c % 2 == 1 ? c + 1 : c;
  if (c == 0x178) return 0xFF;
  if (c >= 0x391 && c <= 0x3A9) return c + 32;
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (c >= 0x460 && c <= 0x481) return c | 1;
  if (c >= 0x48A && c <= 0x4BF) return c | 1;
  if (c >= 0x531 && c <= 0x556) return c + 48;
  if (c >= 0x1E00 && c <= 0x1EFF && !(c >= 0x1E96 && c <= 0x1E9F)) return c | 1;
  return c;
}

std::string folded_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      out += static_cast<char>(fold_letter(byte));
      ++i;
      continue;
    }
    const Utf8Char c = utf8_at(text, i);
    if (c.valid)
      append_utf8(out, fold_letter(c.code_point));
    else
      out.append(text.substr(i, c.length));
    i += c.length;
  }
  return out;
}

bool is_word_character(uint32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if (c == 0xD7 || c == 0xF7) return false;
  if (c == 0x60C || c == 0x61B || c == 0x61F || c == 0x6D4) return false;  // Arabic punctuation
  if (c == 0x964 || c == 0x965) return false;                              // danda
  if (c >= 0x2000 && c <= 0x2BFF) return false;  // punctuation, currency, arrows, mathematics, symbols
  if (c >= 0x2E00 && c <= 0x2E7F) return false;
  if (c >= 0x3000 && c <= 0x303F) return c == 0x3005 || c == 0x3007;
  if (c >= 0xFE10 && c <= 0xFE6F) return false;
  if (c >= 0xFF00 && c <= 0xFF0F) return false;
  if ((c >= 0xFF1A && c <= 0xFF20) || (c >= 0xFF3B && c <= 0xFF40) || (c >= 0xFF5B && c <= 0xFF65))
    return false;
  if (c == 0xFFFD || c == 0xFEFF) return false;
  if (c >= 0x1F000 && c <= 0x1FAFF) return false;  // emoji
  return true;
}

bool contains_word(std::string_view text, std::string_view word) {
  if (word.empty()) return false;
  for (size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const Utf8Char first = utf8_at(word, 0);
    if (first.valid && is_space_less(first.code_point)) return true;
    size_t before = at;
    while (before > 0 && (static_cast<unsigned char>(text[before - 1]) & 0xC0) == 0x80) --before;
    const bool free_before =
        at == 0 || !is_word_character(utf8_at(text, before == 0 ? 0 : before - 1).code_point);
    const size_t end = at + word.size();
    const bool free_after = end >= text.size() || !is_word_character(utf8_at(text, end).code_point);
    if (free_before && free_after) return true;
  }
  return false;
}

size_t edit_distance(std::string_view a, std::string_view b, size_t limit) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() >= limit) return limit;
  std::vector<size_t> before(a.size() + 1), row(a.size() + 1), next(a.size() + 1);
  for (size_t j = 0; j <= a.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= b.size(); ++i) {
    size_t least = next[0] = i;
    for (size_t j = 1; j <= a.size(); ++j) {
      next[j] = std::min({row[j - 1] + (b[i - 1] == a[j - 1] ? 0 : 1), row[j] + 1, next[j - 1] + 1});
      if (i > 1 && j > 1 && b[i - 1] == a[j - 2] && b[i - 2] == a[j - 1])
        next[j] = std::min(next[j], before[j - 2] + 1);
      least = std::min(least, next[j]);
    }
    if (least >= limit) return limit;
    before.swap(row);
    row.swap(next);
  }
  return std::min(row[a.size()], limit);
}

}  // namespace lora
