#include "text/unigram.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/utf8.h"
#include "text/byte_level.h"

namespace lora {
namespace {

constexpr double kUnkPenalty = 10;
constexpr size_t kMaxToken = 1024;  // bytes

ByteTrie make_trie(const VocabularyData& data, const std::vector<std::string>& token_bytes) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (!is_in_model(data, id)) continue;
    if (token_bytes[id].size() > kMaxToken)
      throw Error::input({.where = data.source,
                          .found = "the token " + std::to_string(id) + " has " +
                                   std::to_string(token_bytes[id].size()) + " bytes",
                          .expected = "at most " + std::to_string(kMaxToken)});
    entries.emplace_back(token_bytes[id], static_cast<int32_t>(id));
  }
  return ByteTrie(std::move(entries));
}

}  // namespace

Unigram::Unigram(const VocabularyData& data, const std::vector<std::string>& token_bytes)
    : source_(data.source),
      scores_(data.scores),
      trie_(make_trie(data, token_bytes)),
      sentencepiece_(data.sentencepiece) {
  if (data.model_unk_id) unk_id_ = *data.model_unk_id;
  std::fill(std::begin(byte_tokens_), std::end(byte_tokens_), -1);
  double lowest = std::numeric_limits<double>::max();
  for (size_t id = 0; id < scores_.size(); ++id) {
    const TokenKind kind = data.kinds[id];
    if (const auto byte = fallback_byte(data, id)) byte_tokens_[*byte] = static_cast<int32_t>(id);
    // SentencePiece asks only its ordinary pieces, Hugging Face the whole list.
    if (sentencepiece_ ? kind != TokenKind::kNormal : data.tokens[id].empty()) continue;
    lowest = std::min(lowest, scores_[id]);
  }
  unk_score_ = lowest - kUnkPenalty;
  if (!sentencepiece_) return;
  unk_score_ = static_cast<float>(lowest) - static_cast<float>(kUnkPenalty);
  // A user-defined piece wins over any cut of it, whatever score is written (SentencePiece 0.2.3).
  for (size_t id = 0; id < scores_.size(); ++id)
    if (data.kinds[id] == TokenKind::kUserDefined)
      scores_[id] = 0.1F * static_cast<float>(token_bytes[id].size()) - 0.1F;
}

template <typename Score>
std::vector<PieceToken> Unigram::best_path(std::string_view piece) const {
  struct Place {
    Score score = 0;
    uint32_t begin = 0;  // of the token that ends here
    int32_t id = -2;     // -2: no token ends here; -1: an unknown character does
  };
  std::vector<Place> places(piece.size() + 1);
  for (size_t i = 0; i < piece.size();) {
    const Score here = places[i].score;
    const size_t character = utf8_at(piece, i).length;
    bool single = false;
    // Sums are doubles and what is kept of them is a Score, as in unigram_model.cc: near ties depend on it.
    const auto offer = [&](size_t length, int32_t id, double sum) {
      Place& place = places[i + length];
      if (place.id != -2 && !(sum > place.score)) return;
      place = {static_cast<Score>(sum), static_cast<uint32_t>(i), id};
    };
    trie_.prefixes(piece, i, [&](size_t length, int32_t id) {
      offer(length, id, static_cast<Score>(scores_[static_cast<size_t>(id)] + here));
      single |= length == character;
    });
    if (!single) offer(character, -1, static_cast<Score>(static_cast<Score>(unk_score_) + here));
    i += character;
  }
  std::vector<PieceToken> path;
  for (size_t end = piece.size(); end > 0;) {
    const Place& place = places[end];
    // Hugging Face also takes the unknown token's own text for unknown.
    const int32_t id = !sentencepiece_ && place.id == unk_id_ ? -1 : place.id;
    if (id == -1 && !path.empty() && path.back().id == -1) {
      path.back().begin = place.begin;  // neighbouring unknown characters are one
    } else {
      path.push_back({id, place.begin, static_cast<uint32_t>(end)});
    }
    end = place.begin;
  }
  std::reverse(path.begin(), path.end());
  return path;
}

void Unigram::put(std::string_view piece, PieceToken token, std::vector<PieceToken>& out) const {
  if (token.id >= 0) return out.push_back(token);
  const std::string_view unknown = piece.substr(token.begin, token.end - token.begin);
  if (!sentencepiece_) {  // the joined run may be a token's text
    const auto [length, id] = trie_.longest(unknown, 0);
    if (length == unknown.size()) return out.push_back({id, token.begin, token.end});
  }
  if (std::all_of(unknown.begin(), unknown.end(),
                  [&](char c) { return byte_tokens_[static_cast<uint8_t>(c)] >= 0; })) {
    for (uint32_t i = token.begin; i < token.end; ++i)
      out.push_back({byte_tokens_[static_cast<uint8_t>(piece[i])], i, i + 1});
    return;
  }
  if (unk_id_ < 0)
    throw Error::input({.where = source_,
                        .found = "the vocabulary has no token for the character at byte " +
                                 std::to_string(token.begin) + " of a word, and no unknown token",
                        .fix = "Remove the character from the text, or use another model."});
  out.push_back({unk_id_, token.begin, token.end});
}

void Unigram::encode(std::string_view piece, std::vector<PieceToken>& out) const {
  const std::vector<PieceToken> path = sentencepiece_ ? best_path<float>(piece) : best_path<double>(piece);
  for (const PieceToken& token : path) put(piece, token, out);
}

}  // namespace lora
