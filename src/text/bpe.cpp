#include "text/bpe.h"

#include <algorithm>
#include <limits>
#include <queue>

#include "base/error.h"
#include "base/utf8.h"
#include "text/byte_level.h"

namespace lora {
namespace {

constexpr size_t kShortPiece = 24;  // below this the plain scan beats the queue
constexpr uint32_t kNoRank = std::numeric_limits<uint32_t>::max();
constexpr size_t kMaxDerivedToken = 1024;  // bytes; every cut of a token is looked up

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

Bpe::Bpe(const VocabularyData& data, const std::vector<std::string>& token_bytes)
    : byte_level_(data.byte_level),
      fuse_unk_(data.fuse_unk),
      ignore_merges_(data.ignore_merges),
      prefix_(data.continuing_subword_prefix),
      suffix_(data.end_of_word_suffix),
      user_defined_(data.user_defined) {
  if (data.model_unk_id && !data.byte_level) unk_id_ = *data.model_unk_id;
  std::fill(std::begin(byte_tokens_), std::end(byte_tokens_), -1);
  ids_.reserve(data.tokens.size());
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    const auto number = static_cast<int32_t>(id);
    if (const auto byte = byte_level_ ? std::nullopt : fallback_byte(data, id)) byte_tokens_[*byte] = number;
    if (!is_in_model(data, id)) continue;
    // A byte-level text never holds a character outside the alphabet.
    if (byte_level_ && !data.tokens_are_bytes && !bytes_from_byte_level(data.tokens[id])) continue;
    if (!token_bytes[id].empty()) ids_.emplace(token_bytes[id], number);
  }
  if (byte_level_) {
    for (int byte = 0; byte < 256; ++byte) {
      const auto found = ids_.find(std::string(1, static_cast<char>(byte)));
      if (found != ids_.end()) byte_tokens_[byte] = found->second;
    }
  }
  if (data.merges_by_score) {
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
    const bool continued = right.size() >= prefix_.size();
    const std::string joined = left + (continued ? right.substr(prefix_.size()) : "");
    const auto result = id_of.find(joined);
    if (l == id_of.end() || r == id_of.end() || result == id_of.end() || !continued)
      throw Error::input({.where = data.source + ": merge " + std::to_string(rank),
                          .found = "\"" + left + "\" + \"" + right + "\" is outside the vocabulary",
                          .expected = "both tokens and what they merge to in the vocabulary",
                          .fix = "The tokenizer is damaged; download it again."});
    // Of a pair that is listed twice the last line counts.
    merges_.insert_or_assign(pair_key(l->second, r->second),
                             Merge{static_cast<uint32_t>(rank), result->second});
  }
}

// SentencePiece keeps scores instead of merges: any two neighbours whose join is a token may merge, the best score
// first (Kudo and Richardson 2018, bpe_model.cc). So does tiktoken: the lowest rank first.
void Bpe::derive_merges(const VocabularyData& data, const std::vector<std::string>& token_bytes) {
  std::vector<double> distinct;
  for (const auto& [bytes, id] : ids_) distinct.push_back(data.scores[static_cast<size_t>(id)]);
  std::sort(distinct.begin(), distinct.end(), std::greater<>());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (const auto& [bytes, id] : ids_) {
    const std::string_view token = token_bytes[static_cast<size_t>(id)];
    if (token.size() > kMaxDerivedToken)
      throw Error::input(
          {.where = data.source,
           .found = "the token " + std::to_string(id) + " has " + std::to_string(token.size()) + " bytes",
           .expected = "at most " + std::to_string(kMaxDerivedToken)});
    const double score = data.scores[static_cast<size_t>(id)];
    const auto rank = static_cast<uint32_t>(
        std::lower_bound(distinct.begin(), distinct.end(), score, std::greater<>()) - distinct.begin());
    const auto step = [&](size_t at) { return byte_level_ ? 1 : utf8_at(token, at).length; };
    for (size_t cut = step(0); cut < token.size(); cut += step(cut)) {
      const auto left = ids_.find(token.substr(0, cut)), right = ids_.find(token.substr(cut));
      if (left != ids_.end() && right != ids_.end())
        merges_.emplace(pair_key(left->second, right->second), Merge{rank, id});
    }
  }
}

const Bpe::Merge* Bpe::find_merge(const Symbol& left, const Symbol& right) const {
  if (left.frozen || right.frozen) return nullptr;
  const auto found = merges_.find(pair_key(left.id, right.id));
  return found == merges_.end() ? nullptr : &found->second;
}

void Bpe::add_symbol(Symbols& symbols, int32_t id, size_t begin, size_t end, bool frozen) const {
  const auto index = static_cast<int32_t>(symbols.size());
  if (index > 0) symbols.back().next = index;
  symbols.push_back({id, static_cast<uint32_t>(begin), static_cast<uint32_t>(end), index - 1, -1, frozen});
}

void Bpe::split_bytes(std::string_view piece, Symbols& symbols) const {
  for (size_t i = 0; i < piece.size(); ++i) {
    const int32_t id = byte_tokens_[static_cast<uint8_t>(piece[i])];
    if (id >= 0) add_symbol(symbols, id, i, i + 1);
  }
}

bool Bpe::fall_back(std::string_view symbol, size_t begin, size_t end, Symbols& symbols) const {
  for (const char c : symbol)
    if (byte_tokens_[static_cast<uint8_t>(c)] < 0) return false;
  // A subword prefix or suffix falls back with its character; it covers no byte of its own.
  const size_t extra = symbol.size() - (end - begin);
  for (size_t k = 0; k < symbol.size(); ++k) {
    const size_t at = begin + (k < extra && !prefix_.empty() && begin > 0 ? 0 : std::min(k, end - begin - 1));
    add_symbol(symbols, byte_tokens_[static_cast<uint8_t>(symbol[k])], at, at + 1);
  }
  return true;
}

void Bpe::split_characters(std::string_view piece, Symbols& symbols) const {
  // An unknown character waits for the next known one; bytes that stand in for a character overtake it, as in
  // Hugging Face's merge_word.
  size_t unk_begin = 0, unk_end = 0;
  const auto flush = [&] {
    if (unk_end > unk_begin) add_symbol(symbols, unk_id_, unk_begin, unk_end);
    unk_begin = unk_end = 0;
  };
  for (size_t i = 0; i < piece.size();) {
    if (user_defined_) {
      if (const auto [length, id] = user_defined_->longest(piece, i); length > 0) {
        flush();
        add_symbol(symbols, id, i, i + length, true);
        i += length;
        continue;
      }
    }
    const size_t end = i + utf8_at(piece, i).length;
    std::string_view symbol = piece.substr(i, end - i);
    std::string affixed;
    if ((i > 0 && !prefix_.empty()) || (end == piece.size() && !suffix_.empty())) {
      if (i > 0) affixed = prefix_;
      affixed += symbol;
      if (end == piece.size()) affixed += suffix_;
      symbol = affixed;
    }
    const auto found = ids_.find(symbol);
    if (found != ids_.end()) {
      flush();
      add_symbol(symbols, found->second, i, end);
    } else if (!fall_back(symbol, i, end, symbols) && unk_id_ >= 0) {
      if (!fuse_unk_) flush();
      if (unk_end == unk_begin) unk_begin = i;
      unk_end = end;
    }
    i = end;
  }
  flush();
}

void Bpe::merge_short(Symbols& symbols) const {
  // merges[i]: of symbol i with symbol i + 1.
  std::vector<const Merge*> merges(symbols.size(), nullptr);
  for (size_t i = 0; i + 1 < symbols.size(); ++i) merges[i] = find_merge(symbols[i], symbols[i + 1]);
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
    merges[best] = best + 1 < symbols.size() ? find_merge(symbols[best], symbols[best + 1]) : nullptr;
    if (best > 0) merges[best - 1] = find_merge(symbols[best - 1], symbols[best]);
  }
}

void Bpe::merge_long(Symbols& symbols) const {
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
    if (const Merge* merge = find_merge(left, right))
      queue.push({merge->rank, position, left.id, right.id, merge->id});
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i) consider(static_cast<int32_t>(i));
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbols[static_cast<size_t>(top.position)];
    if (left.id != top.left || left.next < 0) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != top.right || right.frozen) continue;
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

void Bpe::encode(std::string_view piece, std::vector<PieceToken>& out) const {
  if (piece.empty()) return;
  if (ignore_merges_) {
    const auto whole = ids_.find(piece);
    if (whole != ids_.end()) {
      out.push_back({whole->second, 0, static_cast<uint32_t>(piece.size())});
      return;
    }
  }
  Symbols symbols;
  symbols.reserve(piece.size());
  if (byte_level_) {
    split_bytes(piece, symbols);
  } else {
    split_characters(piece, symbols);
  }
  if (symbols.size() <= kShortPiece) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
  for (const Symbol& symbol : symbols) out.push_back({symbol.id, symbol.begin, symbol.end});
}

}  // namespace lora
