#include "eval/row_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "eval/check_types.h"

namespace lora {
namespace {

constexpr std::string_view kNotInRows[] = {"primary", "system", "system_contains", "tag", "schema_file"};

[[noreturn]] void refuse(const std::string& where, std::string found, std::string expected) {
  throw Error::input({.where = where, .found = std::move(found), .expected = std::move(expected)});
}

DeclaredCheck read_check(const nlohmann::json& values, const std::string& where) {
  if (!values.is_object()) refuse(where, "a check is no object", "{\"type\": …, …}");
  for (const std::string_view key : kNotInRows)
    if (values.contains(key))
      refuse(where, fmt::format("the row's check has the key \"{}\"", key),
             key == "schema_file" ? "schema, with the schema itself: a row names no files"
                                  : "that key in a [[check]] table only: a row's check is for that row");
  const CheckTable table{.values = values, .places = {}, .place = where};
  DeclaredOptions options(table);
  DeclaredCheck check;
  check.place = where;
  check.type = options.text("type");
  check.name = options.text_or("name", check.type);
  if (check.type == "metric_command")
    options.refuse("type", "is \"metric_command\", but rows of data start no programs",
                   "a [[check]] table in the configuration, and a tag for the rows that it is for");
  check.check = make_check_of_type(check.type, options, {});
  options.finish();
  if (check.name.empty() || is_reserved_metric(check.name))
    options.refuse("name", fmt::format("is \"{}\", which the program uses itself or is empty", check.name),
                   "another name");
  return check;
}

}  // namespace

DeclaredChecks with_row_checks(DeclaredChecks declared, std::span<const Conversation> rows,
                               const std::string& source) {
  for (const Conversation& row : rows) {
    if (row.checks.empty()) continue;
    const std::string where = fmt::format("{}:{}", source, row.line);
    const auto list = nlohmann::json::parse(row.checks, nullptr, false);
    if (!list.is_array()) refuse(where, "\"checks\" is no array", "an array of checks");
    std::vector<std::string> names;
    for (const nlohmann::json& values : list) {
      DeclaredCheck read = read_check(values, where);
      if (std::ranges::find(names, read.name) != names.end())
        refuse(where, fmt::format("two checks of the row are called \"{}\"", read.name),
               "a name of its own for each");
      names.push_back(read.name);
      auto known = std::ranges::find(declared.checks, read.name, &DeclaredCheck::name);
      if (known == declared.checks.end()) {
        std::shared_ptr<const Check> own = read.check;
        read.by_row[row.checks] = std::move(own);
        declared.checks.push_back(std::move(read));
        continue;
      }
      if (!known->is_of_rows())
        refuse(where,
               fmt::format("a check of the row is called \"{}\", as that of {}", read.name, known->place),
               "another name");
      if (known->type != read.type)
        refuse(where,
               fmt::format("\"{}\" is of type {} here, and of type {} at {}", read.name, read.type,
                           known->type, known->place),
               "one type for one name");
      if (known->check->is_score() != read.check->is_score())
        refuse(where, fmt::format("\"{}\" has pass_at here or at {}, and not there", read.name, known->place),
               "pass_at in all rows or in none");
      known->by_row[row.checks] = std::move(read.check);
    }
  }
  return declared;
}

}  // namespace lora
