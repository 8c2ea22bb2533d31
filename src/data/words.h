// A text as the words that carry its meaning: what near duplicates, equal questions and frames are told by. Words are
// folded to lower case (Latin, Greek, Cyrillic) and punctuation that only shapes a sentence is left out, so texts that
// differ in case, white space, quotes or a full stop have the same words. Not a tokenizer for a model, not a stemmer.
//
//   word      a run of letters, digits, marks and underscores; an apostrophe inside joins ("don't" is dont); a point or
//             comma between two digits stays ("3.14")
//   sign      + = < > % ^ & | $ @ ~ # * / \ and every other character outside of punctuation (emoji, arrows) is a word
//             of its own where it can mean something: not as a bullet, in **bold** or between letters ("and/or")
//   ideograph a Chinese, Japanese or Thai character is a word of its own: these scripts put no blanks between words
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

// Calls `each(word, offset)` for every word of `text` in order; offset in bytes, where it begins. Ill-formed UTF-8 is
// passed over. Linear time.
void for_each_word(std::string_view text,
                   const std::function<void(std::string_view word, size_t offset)>& each);

std::vector<std::string> words_of(std::string_view text);

// Appends a hash of each word. Few of a million words share one by chance, which no measure here feels. The lowest bit
// says whether the word holds an ASCII digit.
void append_word_hashes(std::string_view text, std::vector<uint32_t>& out);
inline bool has_digit(uint32_t word_hash) {
  return (word_hash & 1) != 0;
}

// A hash of all words in order, for "the same up to case, white space and punctuation". Of a text without words, of
// its bytes.
uint64_t words_hash(std::string_view text, uint64_t seed = 0);

}  // namespace lora
