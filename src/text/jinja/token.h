// A template's source cut into tokens, with Transformers' settings (trim_blocks, lstrip_blocks, no trailing newline).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lora::jinja {

enum class TokenKind : uint8_t {
  kData,  // text between tags
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind;
  std::string text;  // of a string: its value; of an operator: its sign
  size_t line;       // from 1
  int64_t integer = 0;
  double real = 0;
};

// The last token is kEnd. Throws Failure with the line.
std::vector<Token> tokenize(std::string_view source);

}  // namespace lora::jinja
