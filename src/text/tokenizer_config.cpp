#include "text/tokenizer_config.h"

#include "base/atomic_file.h"
#include "base/error.h"

namespace lora {
namespace {

constexpr const char* kSpecialNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token"};

}  // namespace

nlohmann::json read_json_object(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return nlohmann::json::object();
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(read_file(path));
  } catch (const nlohmann::json::exception& error) {
    throw Error::input({.where = path.string(), .found = std::string("invalid JSON: ") + error.what()});
  }
  if (!json.is_object()) throw Error::input({.where = path.string(), .found = "not a JSON object"});
  return json;
}

std::string special_token_text(const nlohmann::json& config, const std::string& name) {
  const auto found = config.find(name);
  if (found == config.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (found->is_object() && found->contains("content") && (*found)["content"].is_string())
    return (*found)["content"].get<std::string>();
  return "";
}

TemplateSource template_from_gguf(const GgufFile& file) {
  TemplateSource out;
  out.source = std::string(file.optional_string("tokenizer.chat_template").value_or(""));
  const auto tokens = file.optional_string_array("tokenizer.ggml.tokens");
  const auto set = [&](const char* name, const char* key) {
    const auto id = file.optional_int("tokenizer.ggml." + std::string(key));
    if (id && tokens && *id >= 0 && static_cast<uint64_t>(*id) < tokens->size())
      out.special_tokens[name] = std::string((*tokens)[static_cast<size_t>(*id)]);
  };
  set("bos_token", "bos_token_id");
  set("eos_token", "eos_token_id");
  set("unk_token", "unknown_token_id");
  set("pad_token", "padding_token_id");
  return out;
}

TemplateSource template_from_folder(const std::filesystem::path& folder) {
  TemplateSource out;
  const nlohmann::json config = read_json_object(folder / "tokenizer_config.json");
  const nlohmann::json map = read_json_object(folder / "special_tokens_map.json");
  for (const char* name : kSpecialNames) {
    std::string token = special_token_text(config, name);
    if (token.empty()) token = special_token_text(map, name);
    if (!token.empty()) out.special_tokens[name] = token;
  }
  if (std::filesystem::exists(folder / "chat_template.jinja")) {
    out.source = read_file(folder / "chat_template.jinja");
    return out;
  }
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return out;
  if (found->is_string()) {
    out.source = found->get<std::string>();
  } else if (found->is_array()) {
    for (const auto& named : *found)
      if (named.is_object() && named.value("name", "") == "default") out.source = named.value("template", "");
  }
  if (out.source.empty())
    throw Error::input({.where = (folder / "tokenizer_config.json").string() + ": chat_template",
                        .found = "neither a string nor a list with one named \"default\""});
  return out;
}

}  // namespace lora
