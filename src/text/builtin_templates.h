// Chat templates of our own for base models, which have none: the common formats, by name. They print what the formats
// are known to look like; none is copied from a model.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace lora {

struct BuiltinTemplate {
  std::string_view name;
  std::string_view source;
};

std::span<const BuiltinTemplate> builtin_templates();
// nullptr when there is none of this name.
const BuiltinTemplate* find_builtin_template(std::string_view name);
// "alpaca, chatml, …", for messages.
std::string builtin_template_names();

}  // namespace lora
