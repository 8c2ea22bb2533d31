// Byte pair encoding: the merge loop, over bytes (byte-level BPE, GPT-2, tiktoken) or over characters with byte fallback
// (SentencePiece BPE). Of all neighbouring pairs the one of lowest rank merges first, of equal ranks the leftmost.
// n log n in the length of a piece.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/byte_trie.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace lora {

class Bpe : public TokenModel {
 public:
  // Errors: kInput naming the merge when one is outside the vocabulary.
  Bpe(const VocabularyData& data, const std::vector<std::string>& token_bytes);

  // A symbol that has no token, no byte tokens and no unknown token is left out, as Hugging Face does.
  void encode(std::string_view piece, std::vector<PieceToken>& out) const override;

 private:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };
  struct Symbol {
    int32_t id;
    uint32_t begin, end;
    int32_t previous, next;  // -1 at the ends
    bool frozen;             // a user-defined piece of SentencePiece: never merges
  };
  struct PairHash {
    size_t operator()(uint64_t key) const { return key * 0x9E3779B97F4A7C15u >> 20; }
  };
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Symbols = std::vector<Symbol>;

  void read_merges(const VocabularyData& data);
  void derive_merges(const VocabularyData& data, const std::vector<std::string>& token_bytes);
  const Merge* find_merge(const Symbol& left, const Symbol& right) const;
  void add_symbol(Symbols& symbols, int32_t id, size_t begin, size_t end, bool frozen = false) const;
  void split_bytes(std::string_view piece, Symbols& symbols) const;
  void split_characters(std::string_view piece, Symbols& symbols) const;
  bool fall_back(std::string_view symbol, size_t begin, size_t end, Symbols& symbols) const;
  void merge_short(Symbols& symbols) const;
  void merge_long(Symbols& symbols) const;

  bool byte_level_, fuse_unk_, ignore_merges_;
  std::string prefix_, suffix_;  // continuing_subword_prefix, end_of_word_suffix
  int32_t unk_id_ = -1;
  int32_t byte_tokens_[256];  // <0x..>, or in byte-level vocabularies the token of the single byte; -1: none
  std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>> ids_;
  std::unordered_map<uint64_t, Merge, PairHash> merges_;
  std::shared_ptr<const ByteTrie> user_defined_;
};

}  // namespace lora
