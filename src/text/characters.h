// Classes of characters as Hugging Face `tokenizers` sees them: Unicode 16, whatever ICU is installed, except where the
// library carries older tables of its own (said at each function). Not normalization.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lora {

bool is_white_space(uint32_t c);  // White_Space
bool is_word(uint32_t c);         // \w of a Unicode regular expression: Alphabetic, M, Nd, Pc, Join_Control
bool is_numeric(uint32_t c);      // category N of Unicode 17
bool is_punctuation(uint32_t c);  // ASCII punctuation and symbols; category P of Unicode 8 elsewhere
bool is_mark(uint32_t c);         // category M of Unicode 9
bool is_nonspacing_mark(uint32_t c);   // category Mn of Unicode 8
bool is_control_or_other(uint32_t c);  // category C of Unicode 8 without unassigned ones, but not \t, \n, \r
bool is_cjk_ideograph(uint32_t c);     // the ranges of BERT

// Lower case of one character by itself (no final sigma), appended to `out`.
void append_lowercase(std::string& out, uint32_t c);

// The start of the character that ends at `end`, end > 0.
size_t previous_character(std::string_view text, size_t end);

// Where the grapheme cluster (Unicode 16, UAX 29, extended) that begins at `begin` ends. `text` is UTF-8; a byte that is
// not is a cluster of its own.
size_t grapheme_end(std::string_view text, size_t begin);

}  // namespace lora
