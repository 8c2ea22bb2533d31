#include "text/tokenizer.h"

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalized_text.h"
#include "text/pre_tokenize.h"

namespace lora {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;
constexpr size_t kMaxCachedWord = 64;  // bytes
constexpr size_t kMaxCachedWords = 100'000;
constexpr std::string_view kMetaspace = "\u2581";

// The bytes each id stands for.
std::vector<std::string> bytes_of_tokens(const VocabularyData& data) {
  std::vector<std::string> bytes(data.tokens.size());
  for (size_t id = 0; id < bytes.size(); ++id) {
    bytes[id] = data.tokens[id];
    if (data.kinds[id] == TokenKind::kControl || data.kinds[id] == TokenKind::kUnknown ||
        data.kinds[id] == TokenKind::kUserDefined)
      continue;
    if (data.byte_level) {
      if (auto raw = bytes_from_byte_level(data.tokens[id])) bytes[id] = std::move(*raw);
    }
  }
  return bytes;
}

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(VocabularyData vocabulary)
      : data(std::move(vocabulary)), bytes(bytes_of_tokens(data)), bpe(data, bytes) {
    for (const AddedToken& token : data.added) {
      if (token.normalized) {
        normalized_added.add(normalize(token.content, data.normalizers), token);
      } else {
        raw_added.add(token.content, token);
      }
      all_added.add(token.content, token);
    }
    for (size_t id = 0; id < data.tokens.size(); ++id)
      if (!data.tokens[id].empty()) id_of.emplace(data.tokens[id], static_cast<int32_t>(id));
    if (!data.byte_level) spell_out();
  }

  // What decoding gives for each token of a SentencePiece vocabulary.
  void spell_out() {
    for (size_t id = 0; id < bytes.size(); ++id) {
      if (data.kinds[id] == TokenKind::kByte) {
        bytes[id] = std::string(1, static_cast<char>(*parse_byte_token(data.tokens[id])));
      } else if (data.kinds[id] == TokenKind::kNormal) {
        NormalizedText text(bytes[id], 0);
        text.replace_all(kMetaspace, " ");
        bytes[id] = text.bytes();
      }
    }
  }

  void encode(std::string_view text, Special special, Encoding& out) const;
  void encode_raw(NormalizedText text, bool first, Special special, Encoding& out) const;
  void encode_pieces(NormalizedText text, bool first, Encoding& out) const;
  void encode_piece(const NormalizedText& text, ByteRange piece, Encoding& out) const;
  size_t checked(int32_t id) const;

  VocabularyData data;
  std::vector<std::string> bytes;
  Bpe bpe;
  AddedTokens raw_added, normalized_added, all_added;
  std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>> id_of;

  mutable std::shared_mutex cache_mutex;
  mutable std::unordered_map<std::string, std::vector<BpeToken>, StringHash, std::equal_to<>> cache;
};

void Tokenizer::Impl::encode_piece(const NormalizedText& text, ByteRange piece, Encoding& out) const {
  const std::string_view word = std::string_view(text.bytes()).substr(piece.begin, piece.end - piece.begin);
  const auto emit = [&](const std::vector<BpeToken>& tokens) {
    for (const BpeToken& token : tokens) {
      out.ids.push_back(token.id);
      out.begin.push_back(text.begin_of(piece.begin + token.begin));
      out.end.push_back(text.end_of(piece.begin + token.end - 1));
    }
  };
  const bool cached = word.size() <= kMaxCachedWord;
  if (cached) {
    const std::shared_lock lock(cache_mutex);
    const auto found = cache.find(word);
    if (found != cache.end()) return emit(found->second);
  }
  std::vector<BpeToken> tokens;
  bpe.encode(word, tokens);
  emit(tokens);
  if (cached) {
    const std::unique_lock lock(cache_mutex);
    if (cache.size() >= kMaxCachedWords) cache.clear();
    cache.emplace(word, std::move(tokens));
  }
}

void Tokenizer::Impl::encode_pieces(NormalizedText text, bool first, Encoding& out) const {
  for (const ByteRange& piece : pre_tokenize(text, data.pre_tokenizers, first))
    encode_piece(text, piece, out);
}

// Text without raw added tokens: normalize, take out the normalized added tokens, encode what is between.
void Tokenizer::Impl::encode_raw(NormalizedText text, bool first, Special special, Encoding& out) const {
  for (const Normalizer& step : data.normalizers) text.apply(step);
  if (normalized_added.empty()) return encode_pieces(std::move(text), first, out);
  size_t done = 0;
  for (const auto& match : normalized_added.find_all(text.bytes(), special == Special::kParse)) {
    if (match.range.begin > done)
      encode_pieces(text.slice({done, match.range.begin}), first && done == 0, out);
    out.ids.push_back(match.id);
    out.begin.push_back(text.begin_of(match.range.begin));
    out.end.push_back(text.end_of(match.range.end - 1));
    done = match.range.end;
  }
  if (done < text.bytes().size())
    encode_pieces(text.slice({done, text.bytes().size()}), first && done == 0, out);
}

void Tokenizer::Impl::encode(std::string_view text, Special special, Encoding& out) const {
  if (text.size() > kMaxTextBytes)
    throw Error::input(
        {.where = data.source, .found = "a text of more than 1 GiB", .fix = "Split the text."});
  size_t done = 0;
  const auto between = [&](size_t end) {
    if (end > done) encode_raw(NormalizedText(text.substr(done, end - done), done), done == 0, special, out);
  };
  for (const auto& match : raw_added.find_all(text, special == Special::kParse)) {
    between(match.range.begin);
    out.ids.push_back(match.id);
    out.begin.push_back(static_cast<uint32_t>(match.range.begin));
    out.end.push_back(static_cast<uint32_t>(match.range.end));
    done = match.range.end;
  }
  between(text.size());
}

size_t Tokenizer::Impl::checked(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= bytes.size())
    throw Error::input({.where = data.source,
                        .found = "the token id " + std::to_string(id) + " is outside the vocabulary",
                        .expected = "0 to " + std::to_string(bytes.size() - 1)});
  return static_cast<size_t>(id);
}

Tokenizer::Tokenizer(VocabularyData data) : impl_(std::make_unique<Impl>(std::move(data))) {}
Tokenizer::~Tokenizer() = default;

std::unique_ptr<Tokenizer> Tokenizer::from_checkpoint(const Checkpoint& checkpoint) {
  return std::make_unique<Tokenizer>(checkpoint.is_gguf()
                                         ? vocabulary_from_gguf(checkpoint.gguf())
                                         : vocabulary_from_tokenizer_json(checkpoint.path()));
}

Encoding Tokenizer::encode_with_offsets(std::string_view text, Special special) const {
  Encoding encoding;
  impl_->encode(text, special, encoding);
  return encoding;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, Special special) const {
  return encode_with_offsets(text, special).ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  StreamDecoder decoder(*this, skip_special);
  std::string text;
  for (const int32_t id : ids) text += decoder.feed(id);
  return text + decoder.finish();
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  return impl_->bytes[impl_->checked(id)];
}

bool Tokenizer::is_control(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= impl_->data.kinds.size()) return false;
  const TokenKind kind = impl_->data.kinds[static_cast<size_t>(id)];
  return kind == TokenKind::kControl || kind == TokenKind::kUnknown;
}

std::optional<int32_t> Tokenizer::bos_id() const {
  return impl_->data.bos_id;
}
std::optional<int32_t> Tokenizer::eos_id() const {
  return impl_->data.eos_id;
}
std::optional<int32_t> Tokenizer::pad_id() const {
  return impl_->data.pad_id;
}
std::optional<int32_t> Tokenizer::unk_id() const {
  return impl_->data.unk_id;
}
std::optional<int32_t> Tokenizer::eot_id() const {
  return impl_->data.eot_id;
}
bool Tokenizer::add_bos() const {
  return impl_->data.add_bos;
}
bool Tokenizer::strips_leading_space() const {
  return impl_->data.strip_leading_space;
}
size_t Tokenizer::vocab_size() const {
  return impl_->data.tokens.size();
}

std::optional<int32_t> Tokenizer::find_token(std::string_view token) const {
  const auto found = impl_->id_of.find(token);
  if (found == impl_->id_of.end()) return std::nullopt;
  return found->second;
}

std::optional<Tokenizer::ControlText> Tokenizer::find_control_text(std::string_view text) const {
  const auto match = impl_->all_added.find_special(text);
  if (!match) return std::nullopt;
  return ControlText{match->range.begin, impl_->data.tokens[static_cast<size_t>(match->id)]};
}

std::string Tokenizer::fingerprint() const {
  const VocabularyData& data = impl_->data;
  std::string record = "lora tokenizer 1\n" + data.pipeline;
  const auto add = [&](std::string_view text) {
    record += std::to_string(text.size());
    record += ':';
    record += text;
  };
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    add(data.tokens[id]);
    record += static_cast<char>('0' + static_cast<int>(data.kinds[id]));
  }
  for (const auto& [left, right] : data.merges) {
    add(left);
    add(right);
  }
  for (const float score : data.scores) add(std::to_string(score));
  return sha256_hex(record);
}

std::string StreamDecoder::feed(int32_t id) {
  const std::string_view bytes = tokenizer_->token_bytes(id);
  if (skip_special_ && tokenizer_->is_control(id)) return {};
  if (bytes.empty()) return {};
  pending_ += bytes;
  if (at_start_ && pending_.front() == ' ') pending_.erase(0, 1);
  at_start_ = false;
  size_t complete = 0;
  while (complete < pending_.size()) {
    const Utf8Char c = utf8_at(pending_, complete);
    if (c.incomplete) break;
    complete += c.length;
  }
  std::string text = repair_utf8(std::string_view(pending_).substr(0, complete));
  pending_.erase(0, complete);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = repair_utf8(pending_);
  pending_.clear();
  return text;
}

}  // namespace lora
