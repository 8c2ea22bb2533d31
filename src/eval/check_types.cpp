#include "eval/check_types.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/nearest_word.h"

namespace lora {
namespace {

const std::vector<CheckType>& all_types() {
  static const std::vector<CheckType> types = [] {
    std::vector<CheckType> all;
    for (auto family : {text_check_types, json_check_types, score_check_types, ifeval_check_types})
      for (CheckType& type : family()) all.push_back(std::move(type));
    return all;
  }();
  return types;
}

}  // namespace

std::unique_ptr<Check> make_check_of_type(const std::string& type, DeclaredOptions& options,
                                          const std::filesystem::path& folder) {
  const auto& types = all_types();
  const auto found = std::find_if(types.begin(), types.end(), [&](const auto& t) { return t.name == type; });
  if (found != types.end()) return found->make(options, folder);
  const std::vector<std::string> names = check_type_names();
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view nearest = nearest_word(type, views);
  throw Error::input({.where = options.place("type"),
                      .found = fmt::format("\"{}\" is no type of check", type),
                      .expected = fmt::format("one of {}", fmt::join(names, ", ")),
                      .fix = nearest.empty() ? "" : fmt::format("Write \"{}\".", nearest)});
}

std::vector<std::string> check_type_names() {
  std::vector<std::string> names;
  for (const CheckType& type : all_types()) names.push_back(type.name);
  return names;
}

bool is_reserved_metric(std::string_view name) {
  return name == "correct" || name == "format" || name == "stopped" || name == "instruction_following" ||
         name == "instruction_following_loose";
}

}  // namespace lora
