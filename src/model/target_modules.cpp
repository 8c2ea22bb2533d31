#include "model/target_modules.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <memory>

#include "base/error.h"

namespace lora {
namespace {

constexpr const char* kAllLinear = "all-linear";
constexpr uint32_t kMatchLimit = 100'000;  // far above what a pattern needs for a path of some 40 letters
constexpr size_t kLongestPattern = 4096;

template <class Modules>
std::string names_of(const Modules& modules) {
  std::string names;
  for (const Module m : modules) names += (names.empty() ? "" : ", ") + std::string(module_name(m));
  return names;
}

[[noreturn]] void refuse(const std::string& found, const std::string& known) {
  throw Error::input(
      {.where = "target_modules",
       .found = found,
       .expected = "\"all-linear\", some of: " + known +
                   ", or a regular expression for paths like model.layers.0.self_attn.q_proj"});
}

// A regular expression that must match all of a path, as re.fullmatch does.
class PathPattern {
 public:
  explicit PathPattern(const std::string& expression) : expression_(expression) {
    int error = 0;
    size_t at = 0;
    if (expression.size() <= kLongestPattern)
      code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                                PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &at, nullptr));
    if (!code_)
      refuse("\"" + expression + "\" is not a regular expression (at letter " + std::to_string(at + 1) + ")",
             names_of(kAllModules));
    context_.reset(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(context_.get(), kMatchLimit);
    data_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  }

  bool matches(const std::string& path) const {
    const int result = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(path.data()), path.size(), 0, 0,
                                   data_.get(), context_.get());
    if (result < 0 && result != PCRE2_ERROR_NOMATCH)
      refuse("\"" + expression_ + "\" takes too long to match", names_of(kAllModules));
    return result >= 0;
  }

 private:
  struct Free {
    void operator()(pcre2_code* p) const { pcre2_code_free(p); }
    void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
    void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  };
  std::string expression_;
  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_context, Free> context_;
  std::unique_ptr<pcre2_match_data, Free> data_;
};

}  // namespace

bool is_target_pattern(const std::string& target) {
  return target.find_first_of("*+?|()[]{}^$\\") != std::string::npos;
}

std::vector<std::string> parse_target_modules(const std::vector<std::string>& targets) {
  const std::string known = names_of(kAllModules);
  if (targets.empty()) refuse("no module is named", known);
  for (const std::string& target : targets) {
    if (target == kAllLinear) {
      if (targets.size() > 1) refuse("\"all-linear\" stands beside other entries", known);
    } else if (is_target_pattern(target)) {
      PathPattern checked(target);
    } else {
      const std::string name = target.substr(target.rfind('.') + 1);
      if (std::ranges::none_of(kAllModules, [&](Module m) { return module_name(m) == name; }))
        refuse("there is no module \"" + target + "\"", known);
    }
  }
  return targets;
}

std::vector<std::vector<Module>> resolve_target_modules(const std::vector<std::string>& targets,
                                                        const ModelConfig& model) {
  parse_target_modules(targets);
  std::vector<std::vector<Module>> layers(static_cast<size_t>(model.num_hidden_layers));
  if (targets.front() == kAllLinear) {
    for (auto& modules : layers) modules = model.modules;
    return layers;
  }
  std::vector<std::unique_ptr<PathPattern>> patterns;
  for (const std::string& target : targets)
    patterns.push_back(is_target_pattern(target) ? std::make_unique<PathPattern>(target) : nullptr);
  std::vector<bool> used(targets.size(), false);
  for (int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
    for (const Module module : model.modules) {
      const std::string path = module_full_path(layer, module);
      bool targeted = false;
      for (size_t i = 0; i < targets.size(); ++i) {
        const bool match =
            patterns[i] ? patterns[i]->matches(path) : path == targets[i] || path.ends_with("." + targets[i]);
        if (match) targeted = used[i] = true;
      }
      if (targeted) layers[static_cast<size_t>(layer)].push_back(module);
    }
  }
  for (size_t i = 0; i < targets.size(); ++i)
    if (!used[i]) refuse("\"" + targets[i] + "\" matches nothing in this model", names_of(model.modules));
  return layers;
}

}  // namespace lora
