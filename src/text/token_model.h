// The model of a tokenizer: one piece of text to its tokens. Not normalization, not pre-tokenization, not added tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace lora {

struct PieceToken {
  int32_t id;
  uint32_t begin, end;  // bytes of the piece
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the tokens of `piece` to `out`. Thread-safe. Errors: kInput where the vocabulary has no token for a
  // character and no unknown token, if the model demands one (Unigram, WordPiece).
  virtual void encode(std::string_view piece, std::vector<PieceToken>& out) const = 0;
};

// The model that `data` asks for. `token_bytes[id]`: the bytes a token stands for. Control tokens are no part of any
// model here: only added_tokens.h finds them, so text that must not hold them cannot make them.
// Errors: kInput naming what is contradictory.
std::unique_ptr<TokenModel> make_token_model(const VocabularyData& data,
                                             const std::vector<std::string>& token_bytes);

}  // namespace lora
