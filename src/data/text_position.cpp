#include "data/text_position.h"

#include <fmt/format.h>

#include <algorithm>

namespace lora {

TextPosition position_of(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  TextPosition position;
  position.line += static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  const size_t line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  for (char c : before.substr(line_begin))
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++position.column;
  return position;
}

std::string place_in_line(std::string_view file, size_t line, std::string_view text, size_t offset) {
  const TextPosition position = position_of(text, offset);
  return fmt::format("{}:{}:{}", file, line + position.line - 1, position.column);
}

size_t utf8_sequence_length(std::string_view text, size_t offset) {
  if (offset >= text.size()) return 0;
  const auto byte = [&](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(offset), second = byte(offset + 1);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first < 0xE0) return continues(offset + 1) ? 2 : 0;
  // The second byte's range shuts out overlong forms, surrogates and code points above U+10FFFF.
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (second < low || second > high || !continues(offset + 2)) return 0;
  if (first < 0xF0) return 3;
  return continues(offset + 3) ? 4 : 0;
}

}  // namespace lora
