// The unigram model (Kudo 2018): of all ways to cut a piece into tokens the one with the best sum of scores, by Viterbi
// over the places of the text. Time: the length of the piece times that of the longest token.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/byte_trie.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace lora {

class Unigram : public TokenModel {
 public:
  // Errors: kInput when a token is absurdly long.
  Unigram(const VocabularyData& data, const std::vector<std::string>& token_bytes);
  void encode(std::string_view piece, std::vector<PieceToken>& out) const override;

 private:
  template <typename Score>
  std::vector<PieceToken> best_path(std::string_view piece) const;
  void put(std::string_view piece, PieceToken token, std::vector<PieceToken>& out) const;

  std::string source_;
  std::vector<double> scores_;
  ByteTrie trie_;
  double unk_score_ = 0;
  int32_t unk_id_ = -1;
  int32_t byte_tokens_[256];
  bool sentencepiece_;  // keeps sums in single precision
};

}  // namespace lora
