// UTF-8 (RFC 3629): one code point at a time, lengths, and repair of ill-formed bytes. Not normalization.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lora {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

struct Utf8Char {
  uint32_t code_point;  // meaningless when !valid
  uint8_t
      length;  // bytes; for ill-formed input the maximal ill-formed part (Unicode 16, section 3.9), at least 1
  bool valid;
  bool incomplete;  // ill-formed only because `text` ends too early
};

// Decodes the character at `text[position]`, position < text.size().
Utf8Char utf8_at(std::string_view text, size_t position);

void append_utf8(std::string& out, uint32_t code_point);
bool is_valid_utf8(std::string_view text);
// Each maximal ill-formed part becomes one U+FFFD, as Python's and Rust's lossy decoders do.
std::string repair_utf8(std::string_view text);

}  // namespace lora
