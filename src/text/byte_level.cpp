#include "text/byte_level.h"

#include <array>

#include "base/utf8.h"

namespace lora {
namespace {

struct Alphabet {
  std::array<int16_t, 0x144> byte_of;  // by code point; -1 where there is none
  std::array<std::string, 256> character_of;

  Alphabet() {
    byte_of.fill(-1);
    uint32_t moved = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      const uint32_t code_point = printable ? byte : moved++;
      byte_of[code_point] = static_cast<int16_t>(byte);
      append_utf8(character_of[byte], code_point);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

std::optional<std::string> bytes_from_byte_level(std::string_view token) {
  const auto& byte_of = alphabet().byte_of;
  std::string bytes;
  for (size_t i = 0; i < token.size();) {
    const Utf8Char c = utf8_at(token, i);
    if (!c.valid || c.code_point >= byte_of.size() || byte_of[c.code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte_of[c.code_point]));
    i += c.length;
  }
  return bytes;
}

std::string_view byte_level_character(char byte) {
  return alphabet().character_of[static_cast<uint8_t>(byte)];
}

std::string byte_level_from_bytes(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += byte_level_character(byte);
  return out;
}

std::optional<uint8_t> parse_byte_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  const int high = digit(token[3]), low = digit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

}  // namespace lora
