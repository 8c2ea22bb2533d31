#include "text/word_piece.h"

#include "base/error.h"
#include "base/utf8.h"

namespace lora {
namespace {

ByteTrie make_trie(const VocabularyData& data, const std::vector<std::string>& token_bytes,
                   std::string_view prefix) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    const std::string_view token = token_bytes[id];
    if (!is_in_model(data, id)) continue;
    if (token.starts_with(prefix))
      entries.emplace_back(token.substr(prefix.size()), static_cast<int32_t>(id));
  }
  return ByteTrie(std::move(entries));
}

}  // namespace

WordPiece::WordPiece(const VocabularyData& data, const std::vector<std::string>& token_bytes)
    : source_(data.source),
      starts_(make_trie(data, token_bytes, "")),
      continuations_(make_trie(data, token_bytes, data.continuing_subword_prefix)),
      unk_id_(data.model_unk_id.value_or(-1)),
      max_characters_(data.max_input_chars_per_word),
      whole_words_(data.model == ModelKind::kWordLevel) {}

void WordPiece::encode(std::string_view piece, std::vector<PieceToken>& out) const {
  if (piece.empty()) return;
  const size_t before = out.size();
  size_t characters = 0, begin = 0;
  for (size_t i = 0; i < piece.size(); i += utf8_at(piece, i).length) ++characters;
  if (whole_words_ || characters <= max_characters_) {
    while (begin < piece.size()) {
      const auto [length, id] = (begin == 0 ? starts_ : continuations_).longest(piece, begin);
      if (length == 0 || (whole_words_ && length < piece.size())) break;
      out.push_back({id, static_cast<uint32_t>(begin), static_cast<uint32_t>(begin + length)});
      begin += length;
    }
  }
  if (begin == piece.size()) return;
  out.resize(before);
  if (unk_id_ < 0)
    throw Error::input({.where = source_,
                        .found = "a word is not in the vocabulary, and there is no unknown token",
                        .fix = "Use a model whose tokenizer knows every text."});
  out.push_back({unk_id_, 0, static_cast<uint32_t>(piece.size())});
}

}  // namespace lora
