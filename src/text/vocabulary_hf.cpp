// tokenizer.json (Hugging Face `tokenizers`) with tokenizer_config.json -> VocabularyData.
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "text/component_reader.h"
#include "text/json_number.h"
#include "text/tokenizer_settings.h"
#include "text/vocabulary.h"

namespace lora {
namespace {

using nlohmann::json;

// A number as Hugging Face has it once read: serde_json computes digits times a power of ten in double precision, which
// may miss the nearest double by one. Cuts of equal score are decided by such bits.
double as_serde_reads(double value) {
  char text[32];
  const auto written =
      std::to_chars(text, text + sizeof(text), std::fabs(value), std::chars_format::scientific);
  uint64_t digits = 0;
  int exponent = 0, decimals = 0;
  const char* at = text;
  for (bool fraction = false; at < written.ptr && *at != 'e'; ++at) {
    if (*at == '.') {
      fraction = true;
    } else {
      digits = digits * 10 + static_cast<uint64_t>(*at - '0');
      decimals += fraction;
    }
  }
  if (at == written.ptr || !std::isfinite(value)) return value;
  std::from_chars(at + (at[1] == '+' ? 2 : 1), written.ptr, exponent);
  exponent -= decimals;
  if (std::abs(exponent) > 300) return value;
  const double power = std::pow(10.0, std::abs(exponent));
  const double magnitude =
      exponent < 0 ? static_cast<double>(digits) / power : static_cast<double>(digits) * power;
  return std::copysign(magnitude, value);
}

class Reader {
 public:
  Reader(std::string_view text, const std::filesystem::path& folder)
      : folder_(folder), text_(text), components_((folder / "tokenizer.json").string(), data_) {
    data_.source = (folder / "tokenizer.json").string();
  }

  VocabularyData read() {
    try {
      const json root = json::parse(text_);
      if (!root.is_object()) components_.refuse("", "not a JSON object");
      read_model(root.at("model"));
      components_.normalizer(root.value("normalizer", json()));
      components_.pre_tokenizer(root.value("pre_tokenizer", json()));
      components_.decoder(root.value("decoder", json()));
      read_added(root.value("added_tokens", json::array()));
      components_.post_processor(root.value("post_processor", json()));
    } catch (const json::exception& error) {
      components_.refuse("", std::string("the file is not laid out as expected: ") + error.what());
    }
    // An unknown token that only the settings name is no part of the model.
    data_.model_unk_id = data_.unk_id;
    apply_tokenizer_settings(data_, folder_, AddedTokensOf::kVocabularyFile);
    return std::move(data_);
  }

 private:
  [[noreturn]] void refuse(const std::string& part, const std::string& found,
                           const std::string& expected = "") const {
    components_.refuse(part, found, expected);
  }
  // Any option that is set to something that would change the result.
  void require(const json& model, const char* key, const json& plain) const {
    const auto found = model.find(key);
    if (found != model.end() && !found->is_null() && *found != plain)
      refuse("model", std::string("the option \"") + key + "\" is " + found->dump(), plain.dump());
  }
  static std::string text_of(const json& model, const char* key, const std::string& plain = "") {
    const auto found = model.find(key);
    return found == model.end() || found->is_null() ? plain : found->get<std::string>();
  }

  void put(const std::string& token, int64_t id) {
    if (id >= 0 && static_cast<size_t>(id) < data_.tokens.size() &&
        data_.kinds[static_cast<size_t>(id)] != TokenKind::kUnused)
      refuse("vocabulary", "two tokens have the id " + std::to_string(id));
    const auto byte = data_.byte_fallback ? parse_byte_token(token) : std::nullopt;
    const bool upper = byte && token.find_first_of("abcdef") == std::string::npos;
    put_token(data_, id, token, upper ? TokenKind::kByte : TokenKind::kNormal);
  }
  void read_vocabulary(const json& vocabulary) {
    for (const auto& [token, id] : vocabulary.items())
      put(token, whole_number(id, data_.source + ": vocabulary"));
  }

  void read_model(const json& model) {
    const std::string type = model.value("type", model.contains("merges")   ? "BPE"
                                                 : model.contains("unk_id") ? "Unigram"
                                                                            : "?");
    if (type == "BPE") {
      read_bpe(model);
    } else if (type == "Unigram") {
      read_unigram(model);
    } else if (type == "WordPiece" || type == "WordLevel") {
      data_.model = type == "WordPiece" ? ModelKind::kWordPiece : ModelKind::kWordLevel;
      if (type == "WordPiece")
        data_.continuing_subword_prefix = text_of(model, "continuing_subword_prefix", "##");
      const auto longest = whole_number(model, "max_input_chars_per_word", 100, data_.source);
      if (longest < 0) refuse("model", "\"max_input_chars_per_word\" is " + std::to_string(longest));
      data_.max_input_chars_per_word = static_cast<size_t>(longest);
      read_vocabulary(model.at("vocab"));
      read_unk(model);
    } else {
      refuse("model", "the model \"" + type + "\" is not supported", "\"BPE\", \"Unigram\", \"WordPiece\"");
    }
    components_.note("model", {{"type", type},
                               {"byte_fallback", data_.byte_fallback},
                               {"ignore_merges", data_.ignore_merges},
                               {"fuse_unk", data_.fuse_unk},
                               {"prefix", data_.continuing_subword_prefix},
                               {"suffix", data_.end_of_word_suffix}});
  }

  void read_unk(const json& model) {
    const std::string unk = text_of(model, "unk_token");
    const auto found = model.at("vocab").find(unk);
    if (!unk.empty() && found != model["vocab"].end())
      data_.unk_id = static_cast<int32_t>(whole_number(*found, data_.source));
  }

  void read_bpe(const json& model) {
    require(model, "dropout", 0.0);
    data_.continuing_subword_prefix = text_of(model, "continuing_subword_prefix");
    data_.end_of_word_suffix = text_of(model, "end_of_word_suffix");
    data_.byte_fallback = model.value("byte_fallback", false);
    data_.ignore_merges = model.value("ignore_merges", false);
    data_.fuse_unk = model.value("fuse_unk", false);
    read_vocabulary(model.at("vocab"));
    for (const json& merge : model.at("merges")) {
      if (merge.is_array() && merge.size() == 2) {
        data_.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
        continue;
      }
      const std::string text = merge.get<std::string>();
      const size_t space = text.find(' ');
      if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
        refuse("merges", "\"" + text + "\" is not two tokens");
      data_.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
    }
    read_unk(model);
  }

  void read_unigram(const json& model) {
    data_.model = ModelKind::kUnigram;
    data_.byte_fallback = model.value("byte_fallback", false);
    std::vector<double> scores;
    for (const json& piece : model.at("vocab")) {
      put(piece.at(0).get<std::string>(), static_cast<int64_t>(scores.size()));
      scores.push_back(as_serde_reads(piece.at(1).get<double>()));
    }
    data_.scores = std::move(scores);
    if (const auto unk = model.find("unk_id"); unk != model.end() && !unk->is_null()) {
      const int64_t id = whole_number(*unk, data_.source + ": unk_id");
      if (id < 0 || static_cast<size_t>(id) >= data_.tokens.size())
        refuse("model", "\"unk_id\" is " + std::to_string(id) + ", which is outside the vocabulary");
      data_.unk_id = static_cast<int32_t>(id);
    }
  }

  void read_added(const json& added) {
    std::unordered_map<std::string_view, size_t> known;
    if (!added.empty())
      for (size_t id = 0; id < data_.tokens.size(); ++id)
        if (!data_.tokens[id].empty())
          known.insert_or_assign(data_.tokens[id], id);  // of equal ones the last
    std::vector<AddedToken> tokens;
    for (const json& token : added) {
      AddedToken out;
      const int64_t id = whole_number(token.at("id"), data_.source + ": added_tokens");
      if (id < 0 || id >= static_cast<int64_t>(kMaxTokens))
        refuse("added_tokens", "the id " + std::to_string(id) + " is out of bounds");
      out.id = static_cast<int32_t>(id);
      out.content = token.at("content");
      out.special = token.value("special", false);
      out.single_word = token.value("single_word", false);
      out.lstrip = token.value("lstrip", false);
      out.rstrip = token.value("rstrip", false);
      out.normalized = token.value("normalized", false);
      // The vocabulary's own id counts.
      if (const auto other = known.find(out.content); other != known.end())
        out.id = static_cast<int32_t>(other->second);
      components_.note("added", token);
      tokens.push_back(std::move(out));
    }
    for (AddedToken& token : tokens) {
      const bool is_new = token.id < 0 || static_cast<size_t>(token.id) >= data_.tokens.size() ||
                          data_.tokens[static_cast<size_t>(token.id)].empty();
      if (!is_new && data_.tokens[static_cast<size_t>(token.id)] != token.content)
        refuse("added_tokens", "\"" + token.content + "\" and \"" +
                                   data_.tokens[static_cast<size_t>(token.id)] + "\" both have the id " +
                                   std::to_string(token.id));
      put_token(data_, token.id, token.content,
                token.special ? TokenKind::kControl : TokenKind::kUserDefined);
      data_.outside_model.resize(data_.tokens.size());
      if (is_new) data_.outside_model[static_cast<size_t>(token.id)] = true;
      data_.added.push_back(std::move(token));
    }
  }

  std::filesystem::path folder_;
  std::string_view text_;
  VocabularyData data_;
  ComponentReader components_;
};

}  // namespace

VocabularyData vocabulary_from_tokenizer_json(std::string_view json, const std::filesystem::path& folder) {
  return Reader(json, folder).read();
}

}  // namespace lora
