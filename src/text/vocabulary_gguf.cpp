// tokenizer.ggml.* of a GGUF file -> VocabularyData.
#include "base/error.h"
#include "base/hash.h"
#include "text/byte_trie.h"
#include "text/charsmap.h"
#include "text/decoder.h"
#include "text/vocabulary.h"

namespace lora {
namespace {

std::string key(std::string_view name) {
  return "tokenizer.ggml." + std::string(name);
}

std::optional<int32_t> special_id(const GgufFile& file, std::string_view name, size_t vocabulary_size) {
  const auto id = file.optional_int(key(name));
  if (!id || *id == -1) return std::nullopt;
  if (*id < 0 || static_cast<uint64_t>(*id) >= vocabulary_size)
    throw Error::input({.where = file.name() + ": " + key(name),
                        .found = "the id " + std::to_string(*id) + " is outside the vocabulary",
                        .expected = "an id below " + std::to_string(vocabulary_size),
                        .fix = "The file is damaged; convert or download it again."});
  return static_cast<int32_t>(*id);
}

void read_tokens(const GgufFile& file, VocabularyData& data) {
  for (const std::string_view token : file.string_array(key("tokens"))) data.tokens.emplace_back(token);
  if (data.tokens.empty() || data.tokens.size() > kMaxTokens)
    throw Error::input({.where = file.name() + ": " + key("tokens"),
                        .found = std::to_string(data.tokens.size()) + " tokens",
                        .expected = "between 1 and " + std::to_string(kMaxTokens)});
  const auto types = file.optional_int_array(key("token_type"));
  if (types && types->size() != data.tokens.size())
    throw Error::input({.where = file.name() + ": " + key("token_type"),
                        .found = std::to_string(types->size()) + " types for " +
                                 std::to_string(data.tokens.size()) + " tokens"});
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    const int64_t type = types ? (*types)[id] : 1;
    if (type < 0 || type > 6)
      throw Error::input({.where = file.name() + ": " + key("token_type") + "[" + std::to_string(id) + "]",
                          .found = "the token type " + std::to_string(type),
                          .expected = "0 to 6"});
    data.kinds.push_back(type <= 1 ? TokenKind::kNormal : static_cast<TokenKind>(type - 1));
    if (data.kinds.back() == TokenKind::kByte && !parse_byte_token(data.tokens[id]))
      throw Error::input({.where = file.name() + ": " + key("tokens") + "[" + std::to_string(id) + "]",
                          .found = "the byte token \"" + data.tokens[id] + "\"",
                          .expected = "<0x00> to <0xFF>"});
  }
}

void read_merges(const GgufFile& file, VocabularyData& data) {
  const auto merges = file.string_array(key("merges"));
  data.merges.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const size_t space = merges[i].find(' ', 1);  // a token may itself start with a space in odd vocabularies
    if (space == std::string_view::npos || space + 1 >= merges[i].size())
      throw Error::input({.where = file.name() + ": " + key("merges") + "[" + std::to_string(i) + "]",
                          .found = "\"" + std::string(merges[i]) + "\"",
                          .expected = "two tokens with a space between"});
    data.merges.emplace_back(merges[i].substr(0, space), merges[i].substr(space + 1));
  }
}

void read_scores(const GgufFile& file, VocabularyData& data) {
  const std::vector<float> scores = file.float_array(key("scores"));
  if (scores.size() != data.tokens.size())
    throw Error::input({.where = file.name() + ": " + key("scores"),
                        .found = std::to_string(scores.size()) + " scores for " +
                                 std::to_string(data.tokens.size()) + " tokens"});
  data.scores.assign(scores.begin(), scores.end());
}

// SentencePiece's unigram model with its normalizer, as in T5 and XLM-R.
void read_unigram(const GgufFile& file, VocabularyData& data) {
  read_scores(file, data);
  data.byte_level = false;
  data.model = ModelKind::kUnigram;
  data.sentencepiece = data.byte_fallback = true;
  data.decoding = Decoding::kRuns;
  NormalizeSentencePiece step{
      .charsmap = nullptr,
      .user_defined = nullptr,
      .add_dummy_prefix = file.optional_bool(key("add_space_prefix")).value_or(true),
      .remove_extra_whitespaces = file.optional_bool(key("remove_extra_whitespaces")).value_or(true),
      .escape_whitespaces = true,
      .whitespace_as_suffix = false};
  data.pipeline += "t5 prefix " + std::to_string(step.add_dummy_prefix) + " trim " +
                   std::to_string(step.remove_extra_whitespaces) + "\n";
  if (const auto bytes = file.value(key("precompiled_charsmap"))) {
    if (bytes->type != GgufType::kArray ||
        (bytes->element != GgufType::kInt8 && bytes->element != GgufType::kUint8))
      throw Error::input(
          {.where = file.name() + ": " + key("precompiled_charsmap"), .found = "not an array of bytes"});
    const std::string_view blob(reinterpret_cast<const char*>(bytes->bytes.data()), bytes->bytes.size());
    step.charsmap = std::make_shared<const Charsmap>(blob, file.name());
    data.pipeline += "charsmap " + sha256_hex(blob) + "\n";
  }
  data.strip_leading_space = step.add_dummy_prefix || step.remove_extra_whitespaces;
  data.strip_more_spaces = step.remove_extra_whitespaces;
  data.normalizers.emplace_back(std::move(step));
}

}  // namespace

VocabularyData vocabulary_from_gguf(const GgufFile& file) {
  VocabularyData data;
  data.source = file.name();
  const std::string model(file.get_string(key("model")));
  const std::string pre(file.optional_string(key("pre")).value_or(""));
  read_tokens(file, data);
  const size_t size = data.tokens.size();

  if (model == "gpt2") {
    data.byte_level = true;
    read_merges(file, data);
    set_pre_tokenizer_by_name(data, pre);
    if (file.optional_bool(key("add_space_prefix")).value_or(false)) {
      data.pre_tokenizers.emplace(data.pre_tokenizers.begin(), PrefixSpace{});
      data.pipeline += "prefix space\n";
    }
  } else if (model == "llama") {
    read_scores(file, data);
    data.byte_level = false;
    data.byte_fallback = data.fuse_unk = data.merges_by_score = true;
    data.decoding = Decoding::kRuns;
    if (file.optional_bool(key("add_space_prefix")).value_or(true)) {
      data.normalizers.emplace_back(NormalizePrepend{"\u2581"});
      data.strip_leading_space = true;
      data.pipeline += "prepend \u2581\n";
    }
    data.normalizers.emplace_back(NormalizeReplace{" ", "\u2581"});
    data.pipeline += "replace space\n";
  } else if (model == "gemma4") {
    read_merges(file, data);
    data.byte_level = false;
    data.byte_fallback = data.fuse_unk = true;
    data.decoding = Decoding::kRuns;
    data.normalizers.emplace_back(NormalizeReplace{" ", "\u2581"});
    data.pipeline += "gemma4: replace space\n";
  } else if (model == "t5") {
    read_unigram(file, data);
  } else {
    throw Error::input({.where = file.name() + ": " + key("model"),
                        .found = "the tokenizer model \"" + model + "\" is not supported",
                        .expected = "\"gpt2\" (byte-level BPE), \"llama\" (SentencePiece BPE), \"t5\" "
                                    "(SentencePiece unigram) or \"gemma4\"",
                        .fix = "Use a model of another family."});
  }

  const bool spaces_become_signs =
      !data.byte_level && data.model == ModelKind::kBpe && data.normalizers.size() == 1;
  for (size_t id = 0; id < size; ++id) {
    const TokenKind kind = data.kinds[id];
    const bool special = kind == TokenKind::kControl || kind == TokenKind::kUnknown;
    if ((!special && kind != TokenKind::kUserDefined) || data.tokens[id].empty()) continue;
    // A run of spaces that is one piece is written with spaces here, and looked for where they have become "▁".
    const bool spaces = kind == TokenKind::kUserDefined && spaces_become_signs;
    if (spaces) data.tokens[id] = replace_all(data.tokens[id], " ", "\u2581");
    data.added.push_back({.id = static_cast<int32_t>(id),
                          .content = data.tokens[id],
                          .special = special,
                          .normalized = spaces && data.tokens[id].starts_with("\u2581")});
    if (data.byte_level) {  // written as plain text, not in the byte alphabet
      data.outside_model.resize(size);
      data.outside_model[id] = true;
    }
  }

  data.bos_id = special_id(file, "bos_token_id", size);
  data.eos_id = special_id(file, "eos_token_id", size);
  data.eot_id = special_id(file, "eot_token_id", size);
  data.unk_id = special_id(file, "unknown_token_id", size);
  data.model_unk_id = data.unk_id;
  data.pad_id = special_id(file, "padding_token_id", size);
  const bool bos_by_default = model != "gpt2" || pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3" ||
                              pre == "pixtral" || pre == "falcon3" || pre == "tekken";
  if (data.bos_id && file.optional_bool(key("add_bos_token")).value_or(bos_by_default))
    data.prefix_ids.push_back(*data.bos_id);
  if (data.eos_id && file.optional_bool(key("add_eos_token")).value_or(model == "t5"))
    data.suffix_ids.push_back(*data.eos_id);
  data.chat_template = std::string(file.optional_string("tokenizer.chat_template").value_or(""));
  return data;
}

}  // namespace lora
