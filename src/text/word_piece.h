// WordPiece (BERT: the longest token first, the rest of a word with a prefix) and WordLevel (whole words).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/byte_trie.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace lora {

class WordPiece : public TokenModel {
 public:
  WordPiece(const VocabularyData& data, const std::vector<std::string>& token_bytes);
  void encode(std::string_view piece, std::vector<PieceToken>& out) const override;

 private:
  std::string source_;
  ByteTrie starts_, continuations_;  // of words; without the prefix
  int32_t unk_id_ = -1;
  size_t max_characters_;  // longer words are unknown
  bool whole_words_;
};

}  // namespace lora
