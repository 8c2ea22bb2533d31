// Byte pair encoding of one piece of text: the merge loop, over bytes (byte-level BPE, GPT-2) or over characters with
// byte fallback (SentencePiece BPE). Not normalization, not pre-tokenization, not added tokens.
// Of all neighbouring pairs the one of lowest rank merges first, of equal ranks the leftmost.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/vocabulary.h"

namespace lora {

struct BpeToken {
  int32_t id;
  uint32_t begin, end;  // bytes of the piece
};

class Bpe {
 public:
  // `token_bytes[id]`: the bytes a token stands for. Errors: kInput naming the merge when one is outside the vocabulary.
  Bpe(const VocabularyData& data, const std::vector<std::string>& token_bytes);

  // Appends the tokens of `piece` to `out`. A symbol that has no token, no byte tokens and no unknown token is left
  // out, as Hugging Face does.
  void encode(std::string_view piece, std::vector<BpeToken>& out) const;

 private:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };
  struct Symbol {
    int32_t id;
    uint32_t begin, end;
    int32_t previous, next;  // -1 at the ends
  };
  struct PairHash {
    size_t operator()(uint64_t key) const { return key * 0x9E3779B97F4A7C15u >> 20; }
  };
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  void read_merges(const VocabularyData& data);
  void derive_merges(const VocabularyData& data, const std::vector<std::string>& token_bytes);
  const Merge* find_merge(int32_t left, int32_t right) const;
  void add_symbol(std::vector<Symbol>& symbols, int32_t id, size_t begin, size_t end) const;
  void split_symbols(std::string_view piece, std::vector<Symbol>& symbols) const;
  void merge_short(std::vector<Symbol>& symbols) const;
  void merge_long(std::vector<Symbol>& symbols) const;

  bool byte_level_, fuse_unk_, ignore_merges_;
  int32_t unk_id_ = -1;
  bool all_byte_tokens_ = false;
  int32_t byte_tokens_[256];  // <0x..>, or in byte-level vocabularies the token of the single byte; -1: none
  std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>> ids_;
  std::unordered_map<uint64_t, Merge, PairHash> merges_;
};

}  // namespace lora
