#include "eval/judge/family.h"

#include <array>
#include <cctype>

namespace lora {
namespace {

struct Family {
  std::string_view part, name;  // a part of a model's name, and the family that it tells
};

// In this order: the first that is found counts (a "DeepSeek-R1-Distill-Qwen" writes as DeepSeek taught it to).
constexpr std::array kFamilies{
    Family{"deepseek", "deepseek"}, Family{"smollm", "smollm"},     Family{"tinyllama", "llama"},
    Family{"codellama", "llama"},   Family{"llama", "llama"},       Family{"vicuna", "llama"},
    Family{"qwen", "qwen"},         Family{"qwq", "qwen"},          Family{"mixtral", "mistral"},
    Family{"ministral", "mistral"}, Family{"mistral", "mistral"},   Family{"zephyr", "mistral"},
    Family{"codestral", "mistral"}, Family{"magistral", "mistral"}, Family{"gemma", "gemma"},
    Family{"gemini", "gemini"},     Family{"claude", "claude"},     Family{"chatgpt", "gpt"},
    Family{"gpt-oss", "gpt"},       Family{"gpt", "gpt"},           Family{"o1-", "gpt"},
    Family{"o3-", "gpt"},           Family{"o4-", "gpt"},           Family{"phi", "phi"},
    Family{"granite", "granite"},   Family{"olmo", "olmo"},         Family{"falcon", "falcon"},
    Family{"command", "command"},   Family{"glm", "glm"},           Family{"kimi", "kimi"},
    Family{"grok", "grok"},         Family{"nemotron", "nemotron"}, Family{"internlm", "internlm"},
    Family{"exaone", "exaone"},     Family{"baichuan", "baichuan"}, Family{"yi-", "yi"},
};

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

std::string model_family(std::string_view name) {
  while (name.ends_with('/')) name.remove_suffix(1);
  // The last part of a path or of "owner/name"; owners are no families.
  std::string small(name.substr(name.rfind('/') == std::string_view::npos ? 0 : name.rfind('/') + 1));
  for (char& c : small) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const Family& family : kFamilies)
    for (size_t at = 0; (at = small.find(family.part, at)) != std::string::npos; ++at)
      if (at == 0 || !is_letter(small[at - 1])) return std::string(family.name);
  return {};
}

}  // namespace lora
