// SentencePiece's tokenizer.model (https://github.com/google/sentencepiece, sentencepiece_model.proto) -> VocabularyData:
// BPE and unigram models with their normalizer. A reader of just the fields that matter, over protobuf's wire format.
#include <cstring>

#include "base/error.h"
#include "base/hash.h"
#include "text/byte_trie.h"
#include "text/charsmap.h"
#include "text/tokenizer_settings.h"
#include "text/vocabulary.h"

namespace lora {
namespace {

// A cursor over one protobuf message.
class Message {
 public:
  Message(std::string_view bytes, const std::string& where) : left_(bytes), where_(where) {}

  // Moves to the next field; false at the end.
  bool next() {
    if (left_.empty()) return false;
    const uint64_t key = read_varint();
    field_ = key >> 3;
    number_ = 0;
    bytes_ = {};
    switch (key & 7) {
      case 0:
        number_ = read_varint();
        break;
      case 1:
        bytes_ = take(8);
        break;
      case 2:
        bytes_ = take(read_varint());
        break;
      case 5:
        bytes_ = take(4);
        break;
      default:
        damaged("a field of wire type " + std::to_string(key & 7));
    }
    type_ = static_cast<int>(key & 7);
    return true;
  }
  uint64_t field() const { return field_; }
  uint64_t number() const { return want(0), number_; }
  int32_t int32() const { return static_cast<int32_t>(static_cast<int64_t>(number())); }
  std::string_view bytes() const { return want(2), bytes_; }
  float real() const {
    want(5);
    float value;
    std::memcpy(&value, bytes_.data(), sizeof(value));
    return value;
  }

 private:
  [[noreturn]] void damaged(const std::string& found) const {
    throw Error::input({.where = where_,
                        .found = found,
                        .expected = "a SentencePiece model",
                        .fix = "The file is damaged or of another kind; download it again."});
  }
  void want(int type) const {
    if (type_ != type)
      damaged("field " + std::to_string(field_) + " has the wire type " + std::to_string(type_));
  }
  uint64_t read_varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    damaged("a number of more than ten bytes");
  }
  std::string_view take(uint64_t count) {
    if (count > left_.size())
      damaged("the file ends inside a field: " + std::to_string(count) + " bytes are announced, " +
              std::to_string(left_.size()) + " are left");
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

  std::string_view left_;
  const std::string& where_;
  uint64_t field_ = 0, number_ = 0;
  int type_ = 0;
  std::string_view bytes_;
};

struct NormalizerSpec {
  std::string_view charsmap;
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
};

class Reader {
 public:
  Reader(std::string_view bytes, const std::filesystem::path& folder) : folder_(folder), bytes_(bytes) {
    data_.source = (folder / "tokenizer.model").string();
  }

  VocabularyData read() {
    data_.byte_level = false;
    data_.sentencepiece = data_.fuse_unk = true;
    data_.decoding = Decoding::kRuns;
    for (Message model(bytes_, data_.source); model.next();) {
      if (model.field() == 1) read_piece(model.bytes());
      if (model.field() == 2) read_trainer(model.bytes());
      if (model.field() == 3) normalizer_ = read_normalizer(model.bytes());
      if (model.field() == 5 && !read_normalizer(model.bytes()).charsmap.empty())
        refuse("the model has a denormalizer");
    }
    if (data_.tokens.empty()) refuse("the model has no pieces");
    set_model();
    set_normalizer();
    set_special_tokens();
    apply_tokenizer_settings(data_, folder_, AddedTokensOf::kSettings);
    return std::move(data_);
  }

 private:
  [[noreturn]] void refuse(const std::string& found) const {
    throw Error::input({.where = data_.source,
                        .found = found,
                        .fix = "This tokenizer is not supported yet; the file may also be damaged."});
  }

  void read_piece(std::string_view bytes) {
    std::string piece;
    float score = 0;
    uint64_t type = 1;
    for (Message message(bytes, data_.source); message.next();) {
      if (message.field() == 1) piece = message.bytes();
      if (message.field() == 2) score = message.real();
      if (message.field() == 3) type = message.number();
    }
    const auto id = static_cast<int64_t>(data_.tokens.size());
    if (type < 1 || type > 6) refuse("piece " + std::to_string(id) + " has the type " + std::to_string(type));
    if (piece.empty()) refuse("piece " + std::to_string(id) + " is empty");
    const auto kind = static_cast<TokenKind>(type - 1);
    if (kind == TokenKind::kByte && !parse_byte_token(piece))
      refuse("piece " + std::to_string(id) + " is the byte \"" + piece + "\"");
    put_token(data_, id, std::move(piece), kind);
    data_.scores.resize(data_.tokens.size());
    data_.scores.back() = score;
  }

  void read_trainer(std::string_view bytes) {
    for (Message message(bytes, data_.source); message.next();) {
      if (message.field() == 3) type_ = message.number();
      if (message.field() == 24) whitespace_as_suffix_ = message.number() != 0;
      if (message.field() == 35) data_.byte_fallback = message.number() != 0;
      if (message.field() == 46) bos_ = message.bytes();
      if (message.field() == 47) eos_ = message.bytes();
      if (message.field() == 48) pad_ = message.bytes();
    }
  }

  NormalizerSpec read_normalizer(std::string_view bytes) const {
    NormalizerSpec spec;
    for (Message message(bytes, data_.source); message.next();) {
      if (message.field() == 2) spec.charsmap = message.bytes();
      if (message.field() == 3) spec.add_dummy_prefix = message.number() != 0;
      if (message.field() == 4) spec.remove_extra_whitespaces = message.number() != 0;
      if (message.field() == 5) spec.escape_whitespaces = message.number() != 0;
    }
    return spec;
  }

  void set_model() {
    constexpr uint64_t kUnigram = 1, kBpe = 2;
    if (type_ == kUnigram) {
      data_.model = ModelKind::kUnigram;
    } else if (type_ == kBpe) {
      data_.merges_by_score = true;
      for (size_t id = 0; id < data_.kinds.size(); ++id)
        if (data_.kinds[id] == TokenKind::kUnused)
          refuse("a BPE model with an unused piece, \"" + data_.tokens[id] + "\"");
    } else {
      refuse("the model type " + std::to_string(type_) + "; only unigram (1) and BPE (2) are supported");
    }
    std::vector<std::pair<std::string_view, int32_t>> user_defined;
    for (size_t id = 0; id < data_.tokens.size(); ++id) {
      if (data_.kinds[id] == TokenKind::kUserDefined)
        user_defined.emplace_back(data_.tokens[id], static_cast<int32_t>(id));
      if (data_.kinds[id] == TokenKind::kUnknown) {
        if (data_.unk_id) refuse("two unknown pieces");
        data_.unk_id = data_.model_unk_id = static_cast<int32_t>(id);
      }
    }
    if (!data_.unk_id) refuse("there is no unknown piece");
    if (!user_defined.empty()) data_.user_defined = std::make_shared<const ByteTrie>(std::move(user_defined));
    data_.pipeline += "sentencepiece type " + std::to_string(type_) + " byte_fallback " +
                      std::to_string(data_.byte_fallback) + "\n";
  }

  void set_normalizer() {
    NormalizeSentencePiece step{.charsmap = nullptr,
                                .user_defined = data_.user_defined,
                                .add_dummy_prefix = normalizer_.add_dummy_prefix,
                                .remove_extra_whitespaces = normalizer_.remove_extra_whitespaces,
                                .escape_whitespaces = normalizer_.escape_whitespaces,
                                .whitespace_as_suffix = whitespace_as_suffix_};
    if (!normalizer_.charsmap.empty())
      step.charsmap = std::make_shared<const Charsmap>(normalizer_.charsmap, data_.source);
    data_.pipeline += "normalizer " + std::to_string(step.add_dummy_prefix) +
                      std::to_string(step.remove_extra_whitespaces) +
                      std::to_string(step.escape_whitespaces) + std::to_string(step.whitespace_as_suffix) +
                      " " + sha256_hex(normalizer_.charsmap) + "\n";
    data_.strip_leading_space = step.add_dummy_prefix || step.remove_extra_whitespaces;
    data_.strip_more_spaces = step.remove_extra_whitespaces;
    data_.normalizers.emplace_back(std::move(step));
  }

  void set_special_tokens() {
    const auto control = [&](const std::string& piece) -> std::optional<int32_t> {
      for (size_t id = 0; id < data_.tokens.size(); ++id)
        if (data_.tokens[id] == piece) return static_cast<int32_t>(id);
      return std::nullopt;
    };
    data_.bos_id = control(bos_);
    data_.eos_id = control(eos_);
    data_.pad_id = control(pad_);
    for (size_t id = 0; id < data_.tokens.size(); ++id)
      if (data_.kinds[id] == TokenKind::kControl || data_.kinds[id] == TokenKind::kUnknown)
        data_.added.push_back({.id = static_cast<int32_t>(id), .content = data_.tokens[id], .special = true});
    if (data_.bos_id) data_.prefix_ids.push_back(*data_.bos_id);
  }

  std::filesystem::path folder_;
  std::string_view bytes_;
  VocabularyData data_;
  NormalizerSpec normalizer_;
  uint64_t type_ = 1;
  bool whitespace_as_suffix_ = false;
  std::string bos_ = "<s>", eos_ = "</s>", pad_ = "<pad>";
};

}  // namespace

VocabularyData vocabulary_from_sentencepiece(std::string_view protobuf, const std::filesystem::path& folder) {
  return Reader(protobuf, folder).read();
}

}  // namespace lora
