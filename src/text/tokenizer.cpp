#include "text/tokenizer.h"

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/normalized_text.h"
#include "text/normalizer.h"
#include "text/pre_tokenize.h"
#include "text/token_model.h"

namespace lora {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;
constexpr size_t kMaxCachedWord = 64;  // bytes
constexpr size_t kMaxCachedWords = 100'000;
constexpr std::string_view kMetaspace = "\u2581";

// The bytes each id stands for in its model: raw ones of byte-level tokens, else as written.
std::vector<std::string> model_bytes(const VocabularyData& data) {
  std::vector<std::string> bytes = data.tokens;
  if (!data.byte_level || data.tokens_are_bytes) return bytes;
  for (size_t id = 0; id < bytes.size(); ++id)
    if (data.kinds[id] == TokenKind::kUnused || is_in_model(data, id))
      if (auto raw = bytes_from_byte_level(data.tokens[id])) bytes[id] = std::move(*raw);
  return bytes;
}

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(VocabularyData vocabulary)
      : data(std::move(vocabulary)),
        bytes(model_bytes(data)),
        model(make_token_model(data, bytes)),
        written(data.tokens) {
    for (const AddedToken& token : data.added) {
      if (token.normalized) {
        // What is looked for is also what decoding gives.
        std::string& normal = written[static_cast<size_t>(token.id)];
        normal = normalize(token.content, data.normalizers);
        check_normalized(token, normal);
        normalized_added.add(normal, token);
      } else {
        raw_added.add(token.content, token);
      }
      all_added.add(token.content, token);
    }
    // Left out of text by what decoders get of them, as Hugging Face goes by the content: a control token that
    // normalizing changes is not, a twin of one is.
    std::unordered_set<std::string_view> controls;
    for (size_t id = 0; id < data.tokens.size(); ++id)
      if (data.kinds[id] == TokenKind::kControl || data.kinds[id] == TokenKind::kUnknown)
        controls.insert(data.tokens[id]);
    for (const std::string& token : written) skipped.push_back(!token.empty() && controls.contains(token));
    for (size_t id = 0; id < data.tokens.size(); ++id)
      if (!data.tokens[id].empty()) id_of.emplace(data.tokens[id], static_cast<int32_t>(id));
    if (data.decoding == Decoding::kRuns) spell_out();
    // Hugging Face's ByteLevel decoder maps every token, an added one too.
    if (data.decoding == Decoding::kBytes && !data.decoders.empty())
      for (size_t id = 0; id < bytes.size(); ++id)
        bytes[id] = bytes_from_byte_level(written[id]).value_or(written[id]);
  }

  // An added token must be found in normalized text, and be the only one there. (Hugging Face cuts the text everywhere
  // for one that normalizes to nothing, and takes any of two that look alike.)
  void check_normalized(const AddedToken& token, const std::string& normal) {
    const auto [other, is_new] = normalized_contents.emplace(normal, token.id);
    if (!normal.empty() && (is_new || other->second == token.id)) return;
    throw Error::input(
        {.where = data.source + ": added token \"" + token.content + "\"",
         .found = normal.empty() ? "the normalizer leaves nothing of it"
                                 : "once normalized it looks like the token " + std::to_string(other->second),
         .expected = "added tokens that the normalizer keeps apart, or \"normalized\": false"});
  }

  // What decoding gives for each token of a SentencePiece vocabulary.
  void spell_out() {
    is_byte.resize(bytes.size());
    for (size_t id = 0; id < bytes.size(); ++id) {
      const auto byte = parse_byte_token(written[id]);
      is_byte[id] = byte && (data.strict_byte_runs || data.kinds[id] == TokenKind::kByte);
      if (is_byte[id]) {
        bytes[id] = std::string(1, static_cast<char>(*byte));
      } else if (data.strict_byte_runs || data.kinds[id] == TokenKind::kNormal ||
                 data.kinds[id] == TokenKind::kUserDefined) {
        bytes[id] = repair_utf8(replace_all(written[id], kMetaspace, " "));
      }
    }
  }

  void encode(std::string_view text, Special special, Encoding& out) const;
  void encode_raw(NormalizedText text, Special special, Encoding& out) const;
  void encode_pieces(NormalizedText text, Encoding& out) const;
  void encode_piece(const NormalizedText& text, ByteRange piece, Encoding& out) const;
  size_t checked(int32_t id) const;
  std::string decode_as_steps(std::span<const int32_t> ids, bool skip_special) const;
  bool is_skipped(size_t id, bool skip_special) const { return skip_special && skipped[id]; }

  VocabularyData data;
  std::vector<std::string> bytes;  // the model's, then what decoding gives
  std::vector<bool> is_byte;       // kRuns: tokens that stand for one byte
  std::unique_ptr<TokenModel> model;
  std::vector<std::string> written;  // the tokens as decoders get them
  std::vector<bool> skipped;         // control tokens
  AddedTokens raw_added, normalized_added, all_added;
  std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>> id_of;
  std::unordered_map<std::string, int32_t> normalized_contents;

  mutable std::shared_mutex cache_mutex;
  mutable std::unordered_map<std::string, std::vector<PieceToken>, StringHash, std::equal_to<>> cache;
};

void Tokenizer::Impl::encode_piece(const NormalizedText& text, ByteRange piece, Encoding& out) const {
  const std::string_view word = std::string_view(text.bytes()).substr(piece.begin, piece.end - piece.begin);
  const auto emit = [&](const std::vector<PieceToken>& tokens) {
    for (const PieceToken& token : tokens) {
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
  std::vector<PieceToken> tokens;
  model->encode(word, tokens);
  emit(tokens);
  if (cached) {
    const std::unique_lock lock(cache_mutex);
    if (cache.size() >= kMaxCachedWords) cache.clear();
    cache.emplace(word, std::move(tokens));
  }
}

void Tokenizer::Impl::encode_pieces(NormalizedText text, Encoding& out) const {
  for (const ByteRange& piece : pre_tokenize(text, data.pre_tokenizers)) encode_piece(text, piece, out);
}

// Text without raw added tokens: normalize, take out the normalized added tokens, encode what is between.
void Tokenizer::Impl::encode_raw(NormalizedText text, Special special, Encoding& out) const {
  for (const Normalizer& step : data.normalizers) normalize(text, step);
  if (normalized_added.empty()) return encode_pieces(std::move(text), out);
  size_t done = 0;
  for (const auto& match : normalized_added.find_all(text.bytes(), special == Special::kParse)) {
    if (match.range.begin > done) encode_pieces(text.slice({done, match.range.begin}), out);
    out.ids.push_back(match.id);
    out.begin.push_back(text.begin_of(match.range.begin));
    out.end.push_back(text.end_of(match.range.end - 1));
    done = match.range.end;
  }
  if (done < text.bytes().size()) encode_pieces(text.slice({done, text.bytes().size()}), out);
}

void Tokenizer::Impl::encode(std::string_view text, Special special, Encoding& out) const {
  if (text.size() > kMaxTextBytes)
    throw Error::input(
        {.where = data.source, .found = "a text of more than 1 GiB", .fix = "Split the text."});
  size_t done = 0;
  const auto between = [&](size_t end) {
    if (end > done) encode_raw(NormalizedText(text.substr(done, end - done), done), special, out);
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

std::string Tokenizer::Impl::decode_as_steps(std::span<const int32_t> ids, bool skip_special) const {
  std::vector<std::string> tokens;
  for (const int32_t id : ids) {
    const size_t index = checked(id);
    if (is_skipped(index, skip_special) || written[index].empty()) continue;
    tokens.push_back(written[index]);
  }
  return decode_steps(std::move(tokens), data.decoders);
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
  return std::make_unique<Tokenizer>(checkpoint.is_gguf() ? vocabulary_from_gguf(checkpoint.gguf())
                                                          : vocabulary_from_folder(checkpoint.path()));
}

Encoding Tokenizer::encode_with_offsets(std::string_view text, Special special) const {
  Encoding encoding;
  impl_->encode(text, special, encoding);
  return encoding;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, Special special) const {
  return encode_with_offsets(text, special).ids;
}

std::vector<int32_t> Tokenizer::encode_plain(std::string_view text, Special special) const {
  Encoding encoding;
  encoding.ids = impl_->data.prefix_ids;
  impl_->encode(text, special, encoding);
  encoding.ids.insert(encoding.ids.end(), impl_->data.suffix_ids.begin(), impl_->data.suffix_ids.end());
  return std::move(encoding.ids);
}
std::span<const int32_t> Tokenizer::prefix_ids() const {
  return impl_->data.prefix_ids;
}
std::span<const int32_t> Tokenizer::suffix_ids() const {
  return impl_->data.suffix_ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  if (impl_->data.decoding == Decoding::kSteps) return impl_->decode_as_steps(ids, skip_special);
  const bool runs = impl_->data.decoding == Decoding::kRuns;
  std::string text, run;
  const auto flush = [&] {
    text += decode_byte_run(run, impl_->data.strict_byte_runs);
    run.clear();
  };
  for (const int32_t id : ids) {
    const size_t index = impl_->checked(id);
    if (impl_->is_skipped(index, skip_special)) continue;
    if (runs && impl_->is_byte[index]) {
      run += impl_->bytes[index];
    } else {
      if (!run.empty()) flush();
      std::string_view piece = impl_->bytes[index];
      if (impl_->data.strip_more_spaces && text.empty() && piece.starts_with(' ')) piece.remove_prefix(1);
      text += piece;
    }
  }
  flush();
  if (!runs) return repair_utf8(text);
  if (impl_->data.strip_leading_space && !impl_->data.strip_more_spaces && text.starts_with(' '))
    text.erase(0, 1);
  return text;
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
  const auto& prefix = impl_->data.prefix_ids;
  return impl_->data.bos_id && std::find(prefix.begin(), prefix.end(), *impl_->data.bos_id) != prefix.end();
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
  for (const double score : data.scores) add(std::to_string(score));
  return sha256_hex(record);
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer),
      skip_special_(skip_special),
      at_start_(tokenizer.impl_->data.decoding == Decoding::kRuns &&
                tokenizer.impl_->data.strip_leading_space) {}

std::string StreamDecoder::feed(int32_t id) {
  const Tokenizer::Impl& impl = *tokenizer_->impl_;
  const size_t index = impl.checked(id);
  if (impl.is_skipped(index, skip_special_)) return {};
  if (impl.data.decoding == Decoding::kSteps) {
    ids_.push_back(id);
    return from_steps(false);
  }
  std::string text;
  if (impl.data.decoding == Decoding::kRuns && impl.is_byte[index] != in_run_) {
    text = complete(true);
    in_run_ = impl.is_byte[index];
  }
  pending_ += impl.bytes[index];
  return text + complete(false);
}

std::string StreamDecoder::finish() {
  if (tokenizer_->impl_->data.decoding == Decoding::kSteps) return from_steps(true);
  return complete(true);
}

// Takes out of `pending_` what is complete.
std::string StreamDecoder::complete(bool at_end) {
  size_t end = at_end ? pending_.size() : 0;
  while (end < pending_.size()) {
    const Utf8Char c = utf8_at(pending_, end);
    if (c.incomplete) break;
    end += c.length;
  }
  const std::string_view ready = std::string_view(pending_).substr(0, end);
  std::string text = in_run_ ? decode_byte_run(ready, false) : repair_utf8(ready);
  pending_.erase(0, end);
  if (at_start_ && !text.empty()) {
    if (text.front() == ' ') text.erase(0, 1);
    at_start_ = text.empty() && tokenizer_->impl_->data.strip_more_spaces;
  }
  return text;
}

// Other decoders look at all the tokens: what of their text is new. A replacement character may still change.
std::string StreamDecoder::from_steps(bool at_end) {
  std::string text = tokenizer_->impl_->decode_as_steps(ids_, skip_special_);
  if (text.size() <= shown_ || (!at_end && text.ends_with(kReplacementCharacter))) return {};
  text.erase(0, shown_);
  shown_ += text.size();
  return text;
}

}  // namespace lora
