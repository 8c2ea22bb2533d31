#include "text/bpe.h"

#include <algorithm>
#include <limits>
#include <queue>

#include "base/error.h"
#include "base/utf8.h"

namespace lora {
namespace {

constexpr size_t kShortPiece = 24;  // below this the plain scan beats the queue
constexpr uint32_t kNoRank = std::numeric_limits<uint32_t>::max();

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

Bpe::Bpe(const VocabularyData& data, const std::vector<std::string>& token_bytes)
    : byte_level_(data.byte_level), fuse_unk_(data.fuse_unk), ignore_merges_(data.ignore_merges) {
  if (data.unk_id && !data.byte_level) unk_id_ = *data.unk_id;
  std::fill(std::begin(byte_tokens_), std::end(byte_tokens_), -1);
  ids_.reserve(data.tokens.size());
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    const TokenKind kind = data.kinds[id];
    if (kind == TokenKind::kByte && data.byte_fallback)
      byte_tokens_[*parse_byte_token(data.tokens[id])] = static_cast<int32_t>(id);
    if (kind != TokenKind::kNormal && kind != TokenKind::kUserDefined) continue;
    if (!token_bytes[id].empty()) ids_.emplace(token_bytes[id], static_cast<int32_t>(id));
  }
  if (byte_level_) {
    for (int byte = 0; byte < 256; ++byte) {
      const auto found = ids_.find(std::string(1, static_cast<char>(byte)));
      if (found != ids_.end()) byte_tokens_[byte] = found->second;
    }
  }
  all_byte_tokens_ =
      std::find(std::begin(byte_tokens_), std::end(byte_tokens_), -1) == std::end(byte_tokens_);
  if (data.merges.empty() && !data.scores.empty()) {
    derive_merges(data, token_bytes);
  } else {
    read_merges(data);
  }
}

void Bpe::read_merges(const VocabularyData& data) {
  std::unordered_map<std::string_view, int32_t> id_of;  // as written
  id_of.reserve(data.tokens.size());
  for (size_t id = 0; id < data.tokens.size(); ++id)
    if (!data.tokens[id].empty()) id_of.emplace(data.tokens[id], static_cast<int32_t>(id));
  merges_.reserve(data.merges.size());
  for (size_t rank = 0; rank < data.merges.size(); ++rank) {
    const auto& [left, right] = data.merges[rank];
    const auto l = id_of.find(left), r = id_of.find(right);
    const std::string joined = left + right;
    const auto result = id_of.find(joined);
    if (l == id_of.end() || r == id_of.end() || result == id_of.end())
      throw Error::input({.where = data.source + ": merge " + std::to_string(rank),
                          .found = "\"" + left + "\" + \"" + right + "\" is outside the vocabulary",
                          .expected = "both tokens and what they merge to in the vocabulary",
                          .fix = "The tokenizer is damaged; download it again."});
    merges_.emplace(pair_key(l->second, r->second), Merge{static_cast<uint32_t>(rank), result->second});
  }
}

// SentencePiece keeps scores instead of merges: any two neighbours whose join is a token may merge, the best score
// first (Kudo and Richardson 2018, bpe_model.cc).
void Bpe::derive_merges(const VocabularyData& data, const std::vector<std::string>& token_bytes) {
  std::vector<float> distinct;
  for (const auto& [bytes, id] : ids_) distinct.push_back(data.scores[static_cast<size_t>(id)]);
  std::sort(distinct.begin(), distinct.end(), std::greater<>());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (const auto& [bytes, id] : ids_) {
    const float score = data.scores[static_cast<size_t>(id)];
    const auto rank = static_cast<uint32_t>(
        std::lower_bound(distinct.begin(), distinct.end(), score, std::greater<>()) - distinct.begin());
    const std::string_view token = token_bytes[static_cast<size_t>(id)];
    for (size_t cut = utf8_at(token, 0).length; cut < token.size(); cut += utf8_at(token, cut).length) {
      const auto left = ids_.find(token.substr(0, cut)), right = ids_.find(token.substr(cut));
      if (left != ids_.end() && right != ids_.end())
        merges_.emplace(pair_key(left->second, right->second), Merge{rank, id});
    }
  }
}

const Bpe::Merge* Bpe::find_merge(int32_t left, int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void Bpe::add_symbol(std::vector<Symbol>& symbols, int32_t id, size_t begin, size_t end) const {
  const auto index = static_cast<int32_t>(symbols.size());
  if (index > 0) symbols.back().next = index;
  symbols.push_back({id, static_cast<uint32_t>(begin), static_cast<uint32_t>(end), index - 1, -1});
}

void Bpe::split_symbols(std::string_view piece, std::vector<Symbol>& symbols) const {
  symbols.reserve(piece.size());
  if (byte_level_) {
    for (size_t i = 0; i < piece.size(); ++i) {
      const int32_t id = byte_tokens_[static_cast<uint8_t>(piece[i])];
      if (id >= 0) add_symbol(symbols, id, i, i + 1);
    }
    return;
  }
  for (size_t i = 0; i < piece.size();) {
    const Utf8Char c = utf8_at(piece, i);
    const auto found = ids_.find(piece.substr(i, c.length));
    if (found != ids_.end()) {
      add_symbol(symbols, found->second, i, i + c.length);
    } else if (all_byte_tokens_) {
      for (size_t k = i; k < i + c.length; ++k)
        add_symbol(symbols, byte_tokens_[static_cast<uint8_t>(piece[k])], k, k + 1);
    } else if (unk_id_ >= 0) {
      if (fuse_unk_ && !symbols.empty() && symbols.back().id == unk_id_ && symbols.back().end == i) {
        symbols.back().end = static_cast<uint32_t>(i + c.length);
      } else {
        add_symbol(symbols, unk_id_, i, i + c.length);
      }
    }
    i += c.length;
  }
}

void Bpe::merge_short(std::vector<Symbol>& symbols) const {
  // merges[i]: of symbol i with symbol i + 1.
  std::vector<const Merge*> merges(symbols.size(), nullptr);
  for (size_t i = 0; i + 1 < symbols.size(); ++i) merges[i] = find_merge(symbols[i].id, symbols[i + 1].id);
  while (true) {
    size_t best = 0;
    uint32_t rank = kNoRank;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      if (merges[i] && merges[i]->rank < rank) {
        rank = merges[i]->rank;
        best = i;
      }
    }
    if (rank == kNoRank) return;
    symbols[best].id = merges[best]->id;
    symbols[best].end = symbols[best + 1].end;
    const auto at = static_cast<std::ptrdiff_t>(best);
    symbols.erase(symbols.begin() + at + 1);
    merges.erase(merges.begin() + at + 1);
    merges[best] = best + 1 < symbols.size() ? find_merge(symbols[best].id, symbols[best + 1].id) : nullptr;
    if (best > 0) merges[best - 1] = find_merge(symbols[best - 1].id, symbols[best].id);
  }
}

void Bpe::merge_long(std::vector<Symbol>& symbols) const {
  struct Candidate {
    uint32_t rank;
    int32_t position;
    int32_t left, right;  // the ids when it was queued: a later merge makes it stale
    int32_t result;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : position > other.position;
    }
  };
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto consider = [&](int32_t position) {
    if (position < 0 || symbols[static_cast<size_t>(position)].next < 0) return;
    const Symbol& left = symbols[static_cast<size_t>(position)];
    const Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (const Merge* merge = find_merge(left.id, right.id))
      queue.push({merge->rank, position, left.id, right.id, merge->id});
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i) consider(static_cast<int32_t>(i));
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbols[static_cast<size_t>(top.position)];
    if (left.id != top.left || left.next < 0) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != top.right) continue;
    left.id = top.result;
    left.end = right.end;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = top.position;
    consider(left.previous);
    consider(top.position);
  }
  std::erase_if(symbols, [](const Symbol& symbol) { return symbol.id < 0; });
}

void Bpe::encode(std::string_view piece, std::vector<BpeToken>& out) const {
  if (piece.empty()) return;
  if (ignore_merges_) {
    const auto whole = ids_.find(piece);
    if (whole != ids_.end()) {
      out.push_back({whole->second, 0, static_cast<uint32_t>(piece.size())});
      return;
    }
  }
  std::vector<Symbol> symbols;
  split_symbols(piece, symbols);
  if (symbols.size() <= kShortPiece) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
  for (const Symbol& symbol : symbols) out.push_back({symbol.id, symbol.begin, symbol.end});
}

}  // namespace lora
