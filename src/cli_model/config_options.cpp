#include "cli_model/config_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"

namespace lora::cli {
namespace {

std::string_view value_name(ConfigKey::Type type) {
  switch (type) {
    case ConfigKey::Type::kBool:
      return "true|false";
    case ConfigKey::Type::kInteger:
    case ConfigKey::Type::kNumber:
      return "NUMBER";
    case ConfigKey::Type::kString:
      return "TEXT";
    case ConfigKey::Type::kStrings:
      return "A,B,…";
  }
  return "";
}

// What a key says of itself, and what it is unless it is given.
std::string help_of(const ConfigKey& key) {
  const RunConfig unless_given;
  const nlohmann::ordered_json usual = key.get(unless_given);
  if (usual.empty() || usual == "") return key.help;
  if (usual.is_array())
    return fmt::format("{} ({})", key.help, fmt::join(usual.get<std::vector<std::string>>(), ","));
  return fmt::format("{} ({})", key.help, usual.is_string() ? usual.get<std::string>() : usual.dump());
}

}  // namespace

void ConfigOptions::add_to(CLI::App& command) {
  command.add_option("file", file_, "configuration, flat TOML; see examples/")->type_name("FILE.toml");
  add_keys_to(command);
}

void ConfigOptions::add_keys_to(CLI::App& command) {
  command.add_option("--set", sets_, "one key, as in the file; may be given again")->type_name("KEY=VALUE");
  for (const ConfigKey& key : config_keys()) {
    std::string dashed = key.name;
    std::ranges::replace(dashed, '_', '-');
    std::string names = "--" + dashed;
    if (dashed != key.name) names += ",--" + key.name;
    for (const std::string& alias : key.aliases) names += ",--" + alias;
    auto* option = command.add_option_function<std::string>(
        names, [this, name = key.name](const std::string& text) { flags_[name] = text; }, help_of(key));
    if (key.type == ConfigKey::Type::kBool) option->expected(0, 1);  // alone: true
    option->type_name(std::string(value_name(key.type)))
        ->group("Configuration keys (what they are unless given)");
  }
}

RunConfig ConfigOptions::read(const std::string& file) const {
  RunConfig config;
  if (!file.empty()) read_toml(config, file);
  for (const std::string& set : sets_) {
    const size_t equals = set.find('=');
    if (equals == std::string::npos)
      throw Error::input({.where = "--set " + set, .found = "there is no =", .expected = "key=value"});
    set_from_text(config, set.substr(0, equals), set.substr(equals + 1), "--set");
  }
  for (const auto& [name, text] : flags_)
    set_from_text(config, name,
                  text.empty() && find_key(name, "--" + name).type == ConfigKey::Type::kBool ? "true" : text,
                  "--" + name);
  return config;
}

}  // namespace lora::cli
