#include "eval/ifeval_counts.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "data/plain_text.h"
#include "eval/pattern.h"

namespace lora {
namespace {

using Text = std::string_view;

bool ends_with_abbreviation(Text before) {  // `before` ends in front of the full stop
  const size_t begin = before.find_last_of(" \t\n\r(\"'");
  const Text word = begin == Text::npos ? before : before.substr(begin + 1);
  if (word.size() == 1 && word[0] >= 'A' && word[0] <= 'Z' && word != "I") return true;  // an initial
  if (word.find('.') != Text::npos && word.size() <= 6) return true;                     // e.g, U.S, a.m
  constexpr std::array<Text, 16> kKnown{"mr",  "mrs", "ms", "dr", "prof", "st",  "jr",     "sr",
                                        "inc", "ltd", "co", "vs", "no",   "fig", "approx", "capt"};
  const std::string folded = folded_text(word);
  return std::find(kKnown.begin(), kKnown.end(), Text(folded)) != kKnown.end();
}

}  // namespace

size_t count_sentences(std::string_view text) {
  size_t count = 0;
  bool filled = false;  // something stands since the last end
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = utf8_at(text, i);
    const size_t next = i + c.length;
    const bool ideographic =
        c.valid && (c.code_point == 0x3002 || c.code_point == 0xFF01 || c.code_point == 0xFF1F);
    const bool ascii = c.length == 1 && (text[i] == '.' || text[i] == '!' || text[i] == '?');
    if (ideographic && filled) {
      ++count;
      filled = false;
    } else if (ascii && filled) {
      size_t end = next;  // over further marks and closing quotes
      while (end < text.size() && Text(".!?\"')]*_").find(text[end]) != Text::npos) ++end;
      const bool at_gap = end >= text.size() || is_blank(text[end]);
      const bool plain_stop = text[i] == '.' && end == next;
      if (at_gap && !(plain_stop && end < text.size() && ends_with_abbreviation(text.substr(0, i)))) {
        ++count;
        filled = false;
      }
      i = end;
      continue;
    } else if (!(c.length == 1 && (is_blank(text[i]) || ascii))) {
      filled = filled || c.length > 1 || is_word_character(c.code_point);
    }
    i = next;
  }
  return count + filled;
}

size_t count_capital_words(std::string_view text) {
  const AnswerPattern words("[\\p{L}\\p{M}\\p{N}]+(?:[-'.][\\p{L}\\p{M}\\p{N}]+)*", {}, "ifeval");
  const AnswerPattern capital("\\p{Lu}", {}, "ifeval"), small("[\\p{Ll}\\p{Lt}]", {}, "ifeval");
  size_t count = 0;
  words.for_each(text, [&](size_t begin, size_t end) {
    const Text word = text.substr(begin, end - begin);
    count += capital.search(word) == Matched::kYes && small.search(word) == Matched::kNo;
  });
  return count;
}

}  // namespace lora
