#include "data/checks/mojibake.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/utf8.h"
#include "data/checks/each_text.h"
#include "data/plain_text.h"

namespace lora {
namespace {

// Windows-1252 for bytes 0x80 to 0x9F (0: not assigned, read as the control character of that number).
constexpr std::array<uint16_t, 32> kWindows1252{
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

struct Char {
  uint32_t code_point;
  size_t offset, length;
  bool valid;
};

// The byte that Windows-1252 or Latin-1 writes for a character, or -1.
int byte_of(uint32_t c) {
  if (c < 0x100) return static_cast<int>(c);
  const auto at = std::find(kWindows1252.begin(), kWindows1252.end(), c);
  return at == kWindows1252.end() ? -1 : static_cast<int>(0x80 + (at - kWindows1252.begin()));
}

bool is_upper(uint32_t c) {
  return (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7);
}
bool is_letter(uint32_t c) {
  return (c >= 'a' && c <= 'z') || is_upper(c) || (c >= 0xDF && c < 0x250 && c != 0xF7);
}
// What may stand behind a capital at the end of a quotation: "CAFÉ”", "SMÅ…".
bool is_closing(uint32_t c) {
  return (c >= 0x2013 && c <= 0x2026) || c == 0xBB || c == 0xAB || c == 0xA0 || c == 0x203A || c == 0x2122 ||
         c == 0xAE || c == 0xB0 || c == 0xBA || c == 0xB7;
}

class Text {
 public:
  explicit Text(std::string_view text) : text_(text) {
    for (size_t i = 0; i < text.size();) {
      const Utf8Char c = utf8_at(text, i);
      chars_.push_back({c.code_point, i, c.length, c.valid});
      i += c.length;
    }
  }
  const std::vector<Char>& chars() const { return chars_; }

  // A character whose UTF-8 bytes the characters from `i` on are, read one by one. 0 when they are none.
  uint32_t decoded(size_t i, size_t& taken) const {
    const int lead = byte_at(i);
    if (lead < 0xC2 || lead > 0xF4) return 0;
    const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (i + length > chars_.size()) return 0;
    std::string bytes(1, static_cast<char>(lead));
    for (size_t k = 1; k < length; ++k) {
      const int byte = byte_at(i + k);
      if (byte < 0x80 || byte > 0xBF) return 0;
      bytes += static_cast<char>(byte);
    }
    const Utf8Char c = utf8_at(bytes, 0);
    if (!c.valid || c.length != length) return 0;
    taken = length;
    return c.code_point;
  }

  // Length of the damaged stretch at `i` in characters, 0 for none; appends what was meant.
  size_t damaged(size_t i, std::string& meant) const {
    std::vector<uint32_t> run;
    size_t at = i, taken = 0;
    for (uint32_t c; at < chars_.size() && (c = decoded(at, taken)) != 0; at += taken) {
      if (run.empty() && is_end_of_quotation(at, taken)) return 0;
      run.push_back(c);
    }
    if (run.empty()) return 0;
    if (run.size() == 1 && !is_likely(run[0])) return 0;
    for (const uint32_t c : run)
      if (c != 0xFEFF) append_utf8(meant, c);
    return at - i;
  }

 private:
  int byte_at(size_t i) const { return chars_[i].valid ? byte_of(chars_[i].code_point) : -1; }

  // What a single damaged character may have been: letters of Europe, punctuation, signs, emoji.
  static bool is_likely(uint32_t c) {
    return (c >= 0x80 && c <= 0x17F) || (c >= 0x218 && c <= 0x21B) || (c >= 0x2010 && c <= 0x2044) ||
           c == 0x20AC || c == 0x2122 || (c >= 0x2190 && c <= 0x27BF) || c == 0xFEFF || c == 0xFFFD ||
           c >= 0x1F000 || (c >= 0x1EA0 && c <= 0x1EF9);
  }

  bool is_end_of_quotation(size_t i, size_t taken) const {
    if (taken != 2 || !is_closing(chars_[i + 1].code_point)) return false;
    const bool capital_before = i > 0 && is_upper(chars_[i - 1].code_point);
    const bool letter_behind = i + 2 < chars_.size() && is_letter(chars_[i + 2].code_point);
    // "Ã" or "Â" alone before a sign is damage; "Ä”" alone may be a letter that is spoken of.
    const uint32_t lead = chars_[i].code_point;
    const bool alone = i == 0 || !is_letter(chars_[i - 1].code_point);
    return !letter_behind && (capital_before || (alone && lead != 0xC2 && lead != 0xC3));
  }

  std::string_view text_;
  std::vector<Char> chars_;
};

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// UTF-8 read as the code pages 437 or 850 of the DOS console: a lead byte (C2 to C5, a piece of a box) and what a byte
// of 80 to BF is there, in the midst of a word. Boxes that are drawn have other pieces or blanks for neighbours.
size_t find_console(const std::vector<Char>& chars) {
  const auto at = [&](size_t i) { return i < chars.size() ? chars[i].code_point : 0; };
  const auto letter = [](uint32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (size_t i = 0; i + 1 < chars.size(); ++i) {
    const uint32_t lead = at(i), tail = at(i + 1);
    const bool usual = lead == 0x251C || lead == 0x252C;  // C3, C2
    if (!usual && lead != 0x2500 && lead != 0x253C) continue;
    const bool after_letter = i > 0 && letter(at(i - 1));
    const bool sign = (tail >= 0xA1 && tail <= 0xFF) || tail == 0x192 || tail == 0x20A7 || tail == 0x2310;
    if (sign && (usual || after_letter)) return chars[i].offset;
    const bool piece = tail >= 0x2550 && tail <= 0x256C;
    if (piece && usual && after_letter && (letter(at(i + 2)) || at(i + 2) == 0x251C)) return chars[i].offset;
  }
  constexpr std::array<uint32_t, 2> kQuote{0x393, 0xC7};  // ΓÇ, how ’ “ ” – begin
  for (size_t i = 0; i + 2 < chars.size(); ++i)
    if (chars[i].code_point == kQuote[0] && chars[i + 1].code_point == kQuote[1]) return chars[i].offset;
  return std::string_view::npos;
}

// UTF-8 read as Mac Roman, or Cyrillic as Windows-1251: seen, but not undone here.
size_t find_other(std::string_view text, const std::vector<Char>& chars) {
  constexpr std::array<std::string_view, 14> kMacRoman{"‚Äô", "‚Äú", "‚Äù", "‚Äì", "‚Äî", "√©", "√®",
                                                       "√§",  "√∂",  "√º",  "√±",  "√≥",  "√≠", "√ß"};
  size_t first = find_console(chars);
  for (const std::string_view sign : kMacRoman) first = std::min(first, text.find(sign));
  size_t pairs = 0;
  for (size_t i = 0; i + 1 < chars.size();) {
    const bool lead = chars[i].code_point == 0x420 || chars[i].code_point == 0x421;  // Р, С
    const uint32_t next = chars[i + 1].code_point;
    const bool tail =
        next >= 0x80 && !(next >= 0x430 && next <= 0x44F && next != 0x451 && pairs == 0 && i > 0);
    if (lead && tail) {
      if (++pairs == 4) return std::min(first, chars[i - 6].offset);
      i += 2;
    } else {
      pairs = 0;
      ++i;
    }
  }
  return first;
}

std::optional<std::string> repair_once(std::string_view text) {
  const Text scan(text);
  std::string out;
  bool changed = false;
  for (size_t i = 0; i < scan.chars().size();) {
    const Char& c = scan.chars()[i];
    if (!c.valid || c.code_point == 0xFFFD) return std::nullopt;
    std::string meant;
    if (const size_t n = scan.damaged(i, meant); n > 0) {
      if (meant.find(kReplacementCharacter) != std::string::npos) return std::nullopt;
      out += meant;
      i += n;
      changed = true;
      continue;
    }
    const uint32_t control =
        c.code_point >= 0x80 && c.code_point < 0xA0 ? kWindows1252[c.code_point - 0x80] : 0;
    if (control != 0 && c.code_point != 0x85) {
      append_utf8(out, control);
      changed = true;
    } else {
      out += text.substr(c.offset, c.length);
    }
    ++i;
  }
  return changed ? std::optional(out) : std::nullopt;
}

// The word that holds byte `offset`, for a message.
std::string word_around(std::string_view text, size_t offset) {
  size_t begin = offset, end = offset;
  while (begin > 0 && !is_blank(text[begin - 1]) && offset - begin < 24) --begin;
  while (begin < offset && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) ++begin;
  while (end < text.size() && !is_blank(text[end]) && end - offset < 24) ++end;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return std::string(text.substr(begin, end - begin));
}

class Mojibake : public DataCheck {
 public:
  void see(const Row& row, Findings& findings) override {
    each_text_(row, [&](size_t message, std::string_view text) {
      const auto at = find_mojibake(text);
      if (!at) return;
      const std::string word = word_around(text, *at);
      const auto meant = repair_mojibake(word);
      const bool lost = text.substr(*at).starts_with(kReplacementCharacter);
      findings.add(
          "mojibake", row.line, row.column(message, *at),
          lost    ? fmt::format("\"{}\" holds U+FFFD, which stands for a character that was lost", word)
          : meant ? fmt::format("\"{}\" was read with the wrong encoding; it should be \"{}\"", word, *meant)
                  : fmt::format("\"{}\" looks like text that was read with the wrong encoding", word),
          lost    ? "Take the text from its source again, read as the encoding it has."
          : meant ? "Write it as it was meant; --fix does it."
                  : "Read the source again as UTF-8.");
    });
  }

 private:
  EachText each_text_;
};

}  // namespace

std::optional<size_t> find_mojibake(std::string_view text) {
  if (is_ascii(text)) return std::nullopt;
  const Text scan(text);
  const auto& chars = scan.chars();
  size_t found = find_other(text, chars);
  for (size_t i = 0; i < chars.size() && chars[i].offset < found; ++i) {
    const uint32_t c = chars[i].code_point;
    if (!chars[i].valid || c < 0x80) continue;
    if (c == 0xFFFD || (c < 0xA0 && c != 0x85)) return chars[i].offset;
    // A small letter before "Ã" and a blank: "voilà" whose no-break space became a plain one; "â€" lost its third.
    const bool after_small = i > 0 && chars[i - 1].code_point >= 'a' && chars[i - 1].code_point <= 'z';
    const uint32_t next = i + 1 < chars.size() ? chars[i + 1].code_point : ' ';
    if ((c == 0xC3 && after_small && next < 0x80 && !is_letter(next)) || (c == 0xE2 && next == 0x20AC))
      return chars[i].offset;
    std::string meant;
    if (scan.damaged(i, meant) > 0) return chars[i].offset;
  }
  return found == std::string_view::npos ? std::nullopt : std::optional(found);
}

std::optional<std::string> repair_mojibake(std::string_view text) {
  std::optional<std::string> best;
  std::string current(text);
  for (int pass = 0; pass < 3; ++pass) {
    auto next = repair_once(current);
    if (!next) break;
    current = *next;
    best = std::move(next);
  }
  if (best && find_mojibake(*best)) return std::nullopt;
  return best;
}

std::unique_ptr<DataCheck> make_mojibake_check() {
  return std::make_unique<Mojibake>();
}

}  // namespace lora
