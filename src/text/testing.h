// Small vocabularies and places for the tests of this room. Not part of the program.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "text/vocabulary.h"

namespace lora::testing {

// Byte-level BPE with a token for each byte (ids 0 to 255 by byte), the merges given in plain ASCII ("a b"), then the
// control tokens <s>, </s>, <|im_start|>, <|im_end|>, and the user-defined <think>.
inline VocabularyData byte_vocabulary(const std::vector<std::string>& merges = {}) {
  VocabularyData data;
  data.source = "test vocabulary";
  std::vector<std::string> alphabet(256);
  for (uint32_t code = 0; code < 0x144; ++code) {
    std::string token;
    if (code < 0x80) {
      token = std::string(1, static_cast<char>(code));
    } else {
      token += static_cast<char>(0xC0 | code >> 6);
      token += static_cast<char>(0x80 | (code & 0x3F));
    }
    if (const auto byte = bytes_from_byte_level(token)) alphabet[static_cast<uint8_t>((*byte)[0])] = token;
  }
  data.tokens = alphabet;
  for (const std::string& merge : merges) {
    const size_t space = merge.find(' ');
    data.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    data.tokens.push_back(merge.substr(0, space) + merge.substr(space + 1));
  }
  data.kinds.assign(data.tokens.size(), TokenKind::kNormal);
  for (const std::string token : {"<s>", "</s>", "<|im_start|>", "<|im_end|>", "<think>"}) {
    const bool special = token != "<think>";
    data.added.push_back(
        {.id = static_cast<int32_t>(data.tokens.size()), .content = token, .special = special});
    data.tokens.push_back(token);
    data.kinds.push_back(special ? TokenKind::kControl : TokenKind::kUserDefined);
  }
  set_pre_tokenizer_by_name(data, "gpt-2");
  data.bos_id = data.added[0].id;
  data.eos_id = data.added[1].id;
  return data;
}

inline const char* const kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% "
    "endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

inline std::filesystem::path smollm_gguf() {
  return std::filesystem::path(LORA_DEPS_DIR) / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
}

}  // namespace lora::testing
