#include "cli_model/config_options.h"

#include <algorithm>

#include "base/error.h"

namespace lora::cli {

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
    const bool is_switch = key.type == ConfigKey::Type::kBool;
    auto* option = command.add_option_function<std::string>(
        names, [this, name = key.name](const std::string& text) { flags_[name] = text; }, key.help);
    if (is_switch) option->expected(0, 1)->default_str("true");
    option->group("Configuration keys");
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
    set_from_text(config, name, text.empty() ? "true" : text, "--" + name);
  return config;
}

}  // namespace lora::cli
