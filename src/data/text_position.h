// Where a byte stands in a text, as people count, and what UTF-8 allows. Bytes only; no locale, no tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lora {

// Line and column of a byte offset, both from 1. Columns count characters (code points), not bytes.
struct TextPosition {
  size_t line = 1;
  size_t column = 1;
};
TextPosition position_of(std::string_view text, size_t offset);

// "file:line:col" for an offset of a text that is line `line` of `file`.
std::string place_in_line(std::string_view file, size_t line, std::string_view text, size_t offset);

// Length in bytes of the well-formed UTF-8 sequence at `offset` (Unicode 16, table 3-7); 0 when it is
// ill-formed.
size_t utf8_sequence_length(std::string_view text, size_t offset);

}  // namespace lora
