#include "deploy/peft_targets.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "model/modules.h"
#include "model/target_modules.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Layers = std::vector<std::vector<Module>>;

[[noreturn]] void refuse(const fs::path& file, const std::string& found, const std::string& expected) {
  throw Error::input({.where = file.string(),
                      .found = found,
                      .expected = expected,
                      .fix = "The adapter belongs to another model, or its configuration is damaged."});
}

// A string, or a list of strings.
std::vector<std::string> strings_of(const Json& config, const char* key, const fs::path& file) {
  const Json& value = config[key];
  if (value.is_string()) return {value.get<std::string>()};
  const bool strings = value.is_array() &&
                       std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_string(); });
  if (!strings)
    refuse(file, std::string("\"") + key + "\" is " + value.dump(), "a string or a list of strings");
  return value.get<std::vector<std::string>>();
}

bool is_set(const Json& config, const char* key) {
  const auto it = config.find(key);
  return it != config.end() && !it->is_null() && !(it->is_structured() && it->empty());
}

// The modules that the entries match; those that match none are noted in `unused`. The last error, when all are.
Layers matched(const std::vector<std::string>& entries, const ModelConfig& model, bool& unused,
               std::optional<Error>& error) {
  Layers all(static_cast<size_t>(model.num_hidden_layers));
  for (const std::string& entry : entries) {
    try {
      const Layers layers = resolve_target_modules({entry}, model);
      for (size_t i = 0; i < all.size(); ++i) all[i].insert(all[i].end(), layers[i].begin(), layers[i].end());
    } catch (const Error& e) {
      unused = true;
      error.emplace(e);
    }
  }
  return all;
}

// PEFT finds the number of a layer after ".layers." or the like; models here have no other kind.
std::set<int64_t> layers_to_transform(const Json& config, const ModelConfig& model, const fs::path& file) {
  if (is_set(config, "layers_pattern"))
    for (const std::string& pattern : strings_of(config, "layers_pattern", file))
      if (pattern != "layers") refuse(file, "\"layers_pattern\" is \"" + pattern + "\"", "\"layers\"");
  const Json& value = config["layers_to_transform"];
  std::set<int64_t> layers;
  for (const Json& layer : value.is_array() ? value : Json::array({value})) {
    if (!layer.is_number_integer() || layer.get<int64_t>() < 0 ||
        layer.get<int64_t>() >= model.num_hidden_layers)
      refuse(file, "\"layers_to_transform\" holds " + layer.dump(),
             "layers from 0 to " + std::to_string(model.num_hidden_layers - 1));
    layers.insert(layer.get<int64_t>());
  }
  return layers;
}

}  // namespace

std::vector<std::string> peft_targets(const Json& config, const ModelConfig& model, const fs::path& file) {
  if (!is_set(config, "target_modules"))
    refuse(file, "\"target_modules\" is missing or empty", "the names of modules");
  const std::vector<std::string> entries = strings_of(config, "target_modules", file);
  bool changed = false;
  std::optional<Error> error;
  Layers layers = matched(entries, model, changed, error);
  if (std::all_of(layers.begin(), layers.end(), [](const auto& modules) { return modules.empty(); })) {
    if (error) throw *error;
    refuse(file, "\"target_modules\" names nothing", "the names of modules");
  }
  if (is_set(config, "exclude_modules")) {
    bool unused = false;
    std::optional<Error> ignored;
    const Layers excluded = matched(strings_of(config, "exclude_modules", file), model, unused, ignored);
    for (size_t i = 0; i < layers.size(); ++i)
      changed |= std::erase_if(layers[i], [&](Module m) {
                   return std::ranges::find(excluded[i], m) != excluded[i].end();
                 }) > 0;
  }
  if (is_set(config, "layers_to_transform")) {
    const std::set<int64_t> kept = layers_to_transform(config, model, file);
    for (size_t i = 0; i < layers.size(); ++i)
      if (!kept.contains(static_cast<int64_t>(i))) {
        changed |= !layers[i].empty();
        layers[i].clear();
      }
  }
  if (!changed) return entries;
  std::vector<std::string> paths;
  for (size_t i = 0; i < layers.size(); ++i)
    for (const Module m : model.modules)
      if (std::ranges::find(layers[i], m) != layers[i].end())
        paths.push_back(module_full_path(static_cast<int64_t>(i), m));
  if (paths.empty()) refuse(file, "its settings leave no module to change", "at least one");
  return paths;
}

Json target_modules_json(const Adapter& adapter) {
  const std::vector<std::string>& targets = adapter.config().target_modules;
  if (targets.size() == 1 && is_target_pattern(targets[0])) return targets[0];
  if (std::none_of(targets.begin(), targets.end(), is_target_pattern)) return targets;
  Json paths = Json::array();
  for (int64_t layer = 0; layer < adapter.num_layers(); ++layer)
    for (const Module m : kAllModules)
      if (adapter.has(layer, m)) paths.push_back(module_full_path(layer, m));
  return paths;
}

}  // namespace lora
