// GPT-2's byte alphabet (Radford et al. 2019, encoder.py): printable bytes stand for themselves, the others are moved to
// U+0100 and up. And the byte tokens "<0x0A>" of SentencePiece.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lora {

// nullopt when `token` holds a character that is not in the alphabet.
std::optional<std::string> bytes_from_byte_level(std::string_view token);
// The character of a byte; of bytes.
std::string_view byte_level_character(char byte);
std::string byte_level_from_bytes(std::string_view bytes);

// The value of a byte token "<0x0A>"; nullopt when it is not one.
std::optional<uint8_t> parse_byte_token(std::string_view token);

}  // namespace lora
