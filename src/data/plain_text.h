// Small things that the checks ask of a text: its lines and words, trimmed, folded, counted. UTF-8 in, no locale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

constexpr bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// Without white space at either end (ASCII, and U+00A0, U+3000, U+FEFF).
std::string_view trimmed_text(std::string_view text);

// Lines without their ends, "\r\n" included; at most `most`, the last then holding the rest.
std::vector<std::string_view> lines_of(std::string_view text, size_t most = SIZE_MAX);

// Runs of anything but white space, at most `most`.
std::vector<std::string_view> space_words(std::string_view text, size_t most = SIZE_MAX);

size_t character_count(std::string_view text);

// The first `characters` of a text, and whether there was more.
std::string first_characters(std::string_view text, size_t characters);  // with "…" where it was cut

// Lower case for Latin, Greek, Cyrillic and Armenian letters that have one of the same kind; the rest unchanged.
uint32_t fold_letter(uint32_t code_point);
std::string folded_text(std::string_view text);

// Whether a code point is a letter or a digit of any script, as far as the checks care: ASCII ones, and everything
// from U+00AA on that is no punctuation, space or symbol of the common blocks.
bool is_word_character(uint32_t code_point);

// Whether `word`, folded, stands in `text`, folded, as a word of its own. For scripts without spaces: as a part.
bool contains_word(std::string_view folded, std::string_view folded_word);

// Edits between two texts, over bytes, two letters that changed places being one (optimal string alignment). Stops at
// `limit` and returns `limit` then.
size_t edit_distance(std::string_view a, std::string_view b, size_t limit);

}  // namespace lora
