#include "text/tokenizer_settings.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/tokenizer_config.h"

namespace lora {
namespace {

using nlohmann::json;

std::optional<int32_t> id_of(const VocabularyData& data, const std::string& token, const std::string& where) {
  if (token.empty()) return std::nullopt;
  for (const AddedToken& added : data.added)
    if (added.content == token) return added.id;
  for (size_t id = 0; id < data.tokens.size(); ++id)
    if (data.tokens[id] == token) return static_cast<int32_t>(id);
  throw Error::input({.where = where,
                      .found = "the special token \"" + token + "\" is not in the vocabulary",
                      .fix = "The tokenizer's files do not belong together; download them again."});
}

void read_added_tokens(VocabularyData& data, const json& decoder, const std::string& where) {
  for (const auto& [number, token] : decoder.items()) {
    AddedToken out;
    const auto end = number.data() + number.size();
    if (std::from_chars(number.data(), end, out.id).ptr != end || out.id < 0)
      throw Error::input({.where = where + ": added_tokens_decoder", .found = "the id \"" + number + "\""});
    out.content = token.at("content");
    out.special = token.value("special", false);
    out.single_word = token.value("single_word", false);
    out.lstrip = token.value("lstrip", false);
    out.rstrip = token.value("rstrip", false);
    out.normalized = token.value("normalized", !out.special);
    put_token(data, out.id, out.content, out.special ? TokenKind::kControl : TokenKind::kUserDefined);
    std::erase_if(data.added, [&](const AddedToken& old) { return old.id == out.id; });
    data.pipeline +=
        "added " + number + " " + token.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    data.added.push_back(std::move(out));
  }
}

}  // namespace

void put_token(VocabularyData& data, int64_t id, std::string token, TokenKind kind) {
  if (id < 0 || id >= static_cast<int64_t>(kMaxTokens))
    throw Error::input({.where = data.source + ": vocabulary",
                        .found = "the token \"" + token + "\" has the id " + std::to_string(id),
                        .expected = "0 to " + std::to_string(kMaxTokens - 1)});
  const auto index = static_cast<size_t>(id);
  if (index >= data.tokens.size()) {
    data.tokens.resize(index + 1);
    data.kinds.resize(index + 1, TokenKind::kUnused);
    if (!data.scores.empty()) data.scores.resize(index + 1);
  }
  data.tokens[index] = std::move(token);
  data.kinds[index] = kind;
}

void apply_tokenizer_settings(VocabularyData& data, const std::filesystem::path& folder,
                              AddedTokensOf added) {
  const json config = read_json_object(folder / "tokenizer_config.json");
  const json map = read_json_object(folder / "special_tokens_map.json");
  const std::string where = (folder / "tokenizer_config.json").string();
  try {
    if (added == AddedTokensOf::kSettings && config.contains("added_tokens_decoder"))
      read_added_tokens(data, config["added_tokens_decoder"], where);
  } catch (const json::exception& error) {
    throw Error::input(
        {.where = where,
         .found = std::string("added_tokens_decoder is not laid out as expected: ") + error.what()});
  }
  const auto special = [&](const char* name) {
    const std::string token = special_token_text(config, name);
    return id_of(data, token.empty() ? special_token_text(map, name) : token, where);
  };
  if (const auto id = special("bos_token")) data.bos_id = id;
  if (const auto id = special("eos_token")) data.eos_id = id;
  if (const auto id = special("pad_token")) data.pad_id = id;
  if (!data.unk_id) data.unk_id = special("unk_token");
  // Transformers builds the post-processor anew when either is named.
  if (config.contains("add_bos_token") || config.contains("add_eos_token")) {
    const auto wanted = [&](const char* name) {
      const auto found = config.find(name);
      return found != config.end() && found->is_boolean() && found->get<bool>();
    };
    data.prefix_ids.clear();
    data.suffix_ids.clear();
    if (data.bos_id && wanted("add_bos_token")) data.prefix_ids.push_back(*data.bos_id);
    if (data.eos_id && wanted("add_eos_token")) data.suffix_ids.push_back(*data.eos_id);
  }
}

}  // namespace lora
