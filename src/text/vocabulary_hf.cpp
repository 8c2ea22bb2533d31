// tokenizer.json (Hugging Face `tokenizers`) with tokenizer_config.json -> VocabularyData.
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "text/tokenizer_config.h"
#include "text/vocabulary.h"

namespace lora {
namespace {

using nlohmann::json;

constexpr size_t kMaxTokens = 4'000'000;

class Reader {
 public:
  explicit Reader(const std::filesystem::path& folder)
      : folder_(folder), where_((folder / "tokenizer.json").string()) {}

  VocabularyData read() {
    data_.source = where_;
    if (!std::filesystem::exists(where_))
      throw Error::input(
          {.where = folder_.string(),
           .found = "there is no tokenizer.json",
           .fix = "Save the tokenizer in the fast format (save_pretrained of a fast tokenizer)."});
    root_ = read_json_object(where_);
    try {
      read_model(root_.at("model"));
      read_normalizer(root_.value("normalizer", json()));
      read_pre_tokenizer(root_.value("pre_tokenizer", json()));
      read_decoder(root_.value("decoder", json()));
      if (data_.byte_level && !saw_byte_level_) data_.byte_level = false;
      read_added(root_.value("added_tokens", json::array()));
      read_post_processor(root_.value("post_processor", json()));
      read_config();
    } catch (const json::exception& error) {
      refuse("", std::string("the file is not laid out as expected: ") + error.what());
    }
    return std::move(data_);
  }

 private:
  [[noreturn]] void refuse(const std::string& part, const std::string& found,
                           const std::string& expected = "") const {
    throw Error::input({.where = where_ + (part.empty() ? "" : ": " + part),
                        .found = found,
                        .expected = expected,
                        .fix = "This tokenizer is not supported yet; the file may also be damaged."});
  }
  [[noreturn]] void unknown(const std::string& part, const json& component) const {
    refuse(part, "the component \"" + component.value("type", "?") + "\" is not supported");
  }
  // Any option that is set to something that would change the result.
  void require(const std::string& part, const json& component, const char* key, const json& plain) const {
    const auto found = component.find(key);
    if (found != component.end() && !found->is_null() && *found != plain)
      refuse(part, std::string("the option \"") + key + "\" is " + found->dump(), plain.dump());
  }

  void put_token(int64_t id, const std::string& token, TokenKind kind) {
    if (id < 0 || id >= static_cast<int64_t>(kMaxTokens))
      refuse("vocabulary", "the token \"" + token + "\" has the id " + std::to_string(id));
    const auto index = static_cast<size_t>(id);
    if (index >= data_.tokens.size()) {
      data_.tokens.resize(index + 1);
      data_.kinds.resize(index + 1, TokenKind::kUnused);
    }
    data_.tokens[index] = token;
    data_.kinds[index] = kind;
  }

  void read_model(const json& model) {
    const std::string type = model.value("type", "BPE");
    if (type != "BPE") refuse("model", "the model \"" + type + "\" is not supported", "\"BPE\"");
    require("model", model, "dropout", 0.0);
    require("model", model, "continuing_subword_prefix", "");
    require("model", model, "end_of_word_suffix", "");
    data_.byte_fallback = model.value("byte_fallback", false);
    data_.ignore_merges = model.value("ignore_merges", false);
    data_.fuse_unk = model.value("fuse_unk", false);
    for (const auto& [token, id] : model.at("vocab").items()) {
      const int64_t number = id.get<int64_t>();
      if (number >= 0 && static_cast<size_t>(number) < data_.tokens.size() &&
          data_.kinds[static_cast<size_t>(number)] != TokenKind::kUnused)
        refuse("vocabulary", "two tokens have the id " + std::to_string(number));
      put_token(number, token,
                data_.byte_fallback && parse_byte_token(token) ? TokenKind::kByte : TokenKind::kNormal);
    }
    for (const json& merge : model.at("merges")) {
      if (merge.is_array() && merge.size() == 2) {
        data_.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
        continue;
      }
      const std::string text = merge.get<std::string>();
      const size_t space = text.find(' ');
      if (space == std::string::npos) refuse("merges", "\"" + text + "\" is not two tokens");
      data_.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
    }
    if (const std::string unk = model.contains("unk_token") && model["unk_token"].is_string()
                                    ? model["unk_token"].get<std::string>()
                                    : "";
        !unk.empty() && model["vocab"].contains(unk))
      data_.unk_id = model["vocab"][unk].get<int32_t>();
    note("model", {{"byte_fallback", data_.byte_fallback},
                   {"ignore_merges", data_.ignore_merges},
                   {"fuse_unk", data_.fuse_unk}});
  }

  void read_normalizer(const json& component) {
    if (component.is_null()) return;
    const std::string type = component.at("type");
    if (type == "Sequence") {
      for (const json& part : component.at("normalizers")) read_normalizer(part);
      return;
    }
    if (type == "NFC") {
      data_.normalizers.emplace_back(NormalizeNfc{});
    } else if (type == "Prepend") {
      data_.normalizers.emplace_back(NormalizePrepend{component.at("prepend")});
    } else if (type == "Replace" && component.at("pattern").contains("String")) {
      data_.normalizers.emplace_back(
          NormalizeReplace{component["pattern"]["String"], component.at("content")});
    } else {
      unknown("normalizer", component);
    }
    note("normalizer", component);
  }

  SplitBehavior behavior(const json& component) const {
    const std::string name = component.at("behavior");
    if (name == "Removed") return SplitBehavior::kRemoved;
    if (name == "Isolated") return SplitBehavior::kIsolated;
    if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
    if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
    if (name == "Contiguous") return SplitBehavior::kContiguous;
    refuse("pre_tokenizer", "the split behaviour \"" + name + "\" is not supported");
  }

  void add_split(std::string_view expression, SplitBehavior behavior = SplitBehavior::kIsolated,
                 bool invert = false) {
    data_.pre_tokenizers.emplace_back(
        SplitPattern{Pattern(expression, where_ + ": pre_tokenizer"), behavior, invert});
  }

  void read_pre_tokenizer(const json& component) {
    if (component.is_null()) return;
    const std::string type = component.at("type");
    if (type == "Sequence") {
      for (const json& part : component.at("pretokenizers")) read_pre_tokenizer(part);
      return;
    }
    if (type == "ByteLevel") {
      saw_byte_level_ = true;
      if (component.value("add_prefix_space", true)) data_.pre_tokenizers.emplace_back(PrefixSpace{});
      if (component.value("use_regex", true)) add_split(kGpt2Pattern);
    } else if (saw_byte_level_) {
      refuse("pre_tokenizer", "\"" + type + "\" comes after ByteLevel", "ByteLevel at the end");
    } else if (type == "Digits") {
      add_split(component.value("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)");
    } else if (type == "Split") {
      const json& pattern = component.at("pattern");
      const bool invert = component.value("invert", false);
      if (pattern.contains("Regex")) {
        add_split(pattern["Regex"].get<std::string>(), behavior(component), invert);
      } else {
        data_.pre_tokenizers.emplace_back(SplitPattern{
            Pattern::from_literal(pattern.at("String").get<std::string>(), where_ + ": pre_tokenizer"),
            behavior(component), invert});
      }
    } else if (type == "Metaspace") {
      const std::string scheme = component.contains("prepend_scheme")
                                     ? component.value("prepend_scheme", "always")
                                 : component.value("add_prefix_space", true) ? "always"
                                                                             : "never";
      const PrependScheme prepend = scheme == "always"  ? PrependScheme::kAlways
                                    : scheme == "first" ? PrependScheme::kFirst
                                    : scheme == "never" ? PrependScheme::kNever
                                                        : throw_scheme(scheme);
      data_.pre_tokenizers.emplace_back(
          Metaspace{component.value("replacement", "\u2581"), prepend, component.value("split", true)});
    } else {
      unknown("pre_tokenizer", component);
    }
    note("pre_tokenizer", component);
  }
  [[noreturn]] PrependScheme throw_scheme(const std::string& scheme) const {
    refuse("pre_tokenizer", "the prepend scheme \"" + scheme + "\" is not supported");
  }

  // Decoding is done from the tokens' own bytes; the components only have to be ones that this is equal to.
  void read_decoder(const json& component) {
    if (component.is_null()) return;
    const std::string type = component.at("type");
    if (type == "Sequence") {
      for (const json& part : component.at("decoders")) read_decoder(part);
    } else if (type == "Strip") {
      require("decoder", component, "content", " ");
      require("decoder", component, "start", 1);
      require("decoder", component, "stop", 0);
      data_.strip_leading_space = true;
    } else if (type == "Metaspace") {
      data_.strip_leading_space = component.value("prepend_scheme", "always") != "never";
    } else if (type == "Replace") {
      require("decoder", component, "pattern", {{"String", "\u2581"}});
      require("decoder", component, "content", " ");
    } else if (type != "ByteLevel" && type != "ByteFallback" && type != "Fuse") {
      unknown("decoder", component);
    }
  }

  void read_added(const json& added) {
    for (const json& token : added) {
      AddedToken out;
      out.id = token.at("id").get<int32_t>();
      out.content = token.at("content");
      out.special = token.value("special", false);
      out.single_word = token.value("single_word", false);
      out.lstrip = token.value("lstrip", false);
      out.rstrip = token.value("rstrip", false);
      out.normalized = token.value("normalized", false);
      put_token(out.id, out.content, out.special ? TokenKind::kControl : TokenKind::kUserDefined);
      note("added", token);
      data_.added.push_back(std::move(out));
    }
  }

  // Only whether plain text starts with BOS and ends with EOS is taken from here.
  void read_post_processor(const json& component) {
    if (component.is_null()) return;
    const std::string type = component.at("type");
    if (type == "Sequence") {
      for (const json& part : component.at("processors")) read_post_processor(part);
    } else if (type == "TemplateProcessing") {
      const json& single = component.at("single");
      bool text = false;
      for (const json& part : single) {
        if (part.contains("Sequence")) text = true;
        if (part.contains("SpecialToken")) (text ? data_.add_eos : data_.add_bos) = true;
      }
    } else if (type != "ByteLevel") {
      unknown("post_processor", component);
    }
  }

  std::optional<int32_t> id_of(const std::string& token) const {
    if (token.empty()) return std::nullopt;
    for (const AddedToken& added : data_.added)
      if (added.content == token) return added.id;
    const json& vocab = root_["model"]["vocab"];
    if (vocab.contains(token)) return vocab[token].get<int32_t>();
    refuse("", "the special token \"" + token + "\" of tokenizer_config.json is not in the vocabulary");
  }

  void read_config() {
    const json config = read_json_object(folder_ / "tokenizer_config.json");
    const json map = read_json_object(folder_ / "special_tokens_map.json");
    const auto text = [&](const char* name) {
      const std::string token = special_token_text(config, name);
      return token.empty() ? special_token_text(map, name) : token;
    };
    data_.bos_id = id_of(text("bos_token"));
    data_.eos_id = id_of(text("eos_token"));
    data_.pad_id = id_of(text("pad_token"));
    if (!data_.unk_id) data_.unk_id = id_of(text("unk_token"));
  }

  void note(const std::string& part, const json& component) {
    data_.pipeline += part + " " + component.dump() + "\n";
  }

  std::filesystem::path folder_;
  std::string where_;
  json root_;
  VocabularyData data_;
  bool saw_byte_level_ = false;
};

}  // namespace

VocabularyData vocabulary_from_tokenizer_json(const std::filesystem::path& folder) {
  return Reader(folder).read();
}

}  // namespace lora
