// What tokenizer_config.json says of a vocabulary that another file of its folder holds: special tokens, added tokens,
// what plain text gets around it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "text/vocabulary.h"

namespace lora {

enum class AddedTokensOf { kVocabularyFile, kSettings };  // where the folder lists its added tokens

// Fills `data` in from tokenizer_config.json and special_tokens_map.json; neither need be there. The tokens must have
// been read. Errors: kInput when a special token is not in the vocabulary, or ids contradict each other.
void apply_tokenizer_settings(VocabularyData& data, const std::filesystem::path& folder, AddedTokensOf added);

// Puts a token into `data`. Errors: kInput on an id that is out of bounds.
void put_token(VocabularyData& data, int64_t id, std::string token, TokenKind kind);

}  // namespace lora
