// Where a model keeps its chat template and the special tokens that it may print: GGUF metadata, or
// chat_template.jinja, tokenizer_config.json and special_tokens_map.json of a Hugging Face folder.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "files/gguf.h"

namespace lora {

struct TemplateSource {
  std::string source;  // "" when the model has none
  std::map<std::string, std::string>
      special_tokens;  // "bos_token": "<s>", …, as Transformers' special_tokens_map
};

TemplateSource template_from_gguf(const GgufFile& file);
// Errors: kInput when a file is not what it should be.
TemplateSource template_from_folder(const std::filesystem::path& folder);

// A JSON object out of `path`; an empty object when there is no such file. Errors: kInput when it is not an object.
nlohmann::json read_json_object(const std::filesystem::path& path);
// A special token of tokenizer_config.json: a string, or an object with "content". "" when absent or null.
std::string special_token_text(const nlohmann::json& config, const std::string& name);

}  // namespace lora
