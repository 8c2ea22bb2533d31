#include "eval/check_declaration.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "data/json_reader.h"
#include "data/text_position.h"
#include "eval/check_types.h"

namespace lora {
namespace {

using nlohmann::json;

std::string place_of(const toml::source_region& source, const std::filesystem::path& file) {
  return fmt::format("{}:{}:{}", file.string(), source.begin.line, source.begin.column);
}

std::string escaped(std::string_view key) {
  std::string out;
  for (const char c : key) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

// A TOML value as JSON, with its places. Dates become their text.
json from_toml(const toml::node& node, const std::filesystem::path& file, const std::string& pointer,
               CheckTable& table) {
  table.places[pointer] = place_of(node.source(), file);
  switch (node.type()) {
    case toml::node_type::table: {
      json object = json::object();
      for (const auto& [key, value] : *node.as_table())
        object[std::string(key.str())] = from_toml(value, file, pointer + "/" + escaped(key.str()), table);
      return object;
    }
    case toml::node_type::array: {
      json array = json::array();
      for (const auto& value : *node.as_array())
        array.push_back(from_toml(value, file, fmt::format("{}/{}", pointer, array.size()), table));
      return array;
    }
    case toml::node_type::string:
      return node.as_string()->get();
    case toml::node_type::integer:
      return node.as_integer()->get();
    case toml::node_type::floating_point:
      return node.as_floating_point()->get();
    case toml::node_type::boolean:
      return node.as_boolean()->get();
    default:
      break;
  }
  throw Error::input({.where = place_of(node.source(), file),
                      .found = "a date or time stands here",
                      .expected = "a string, a number, true or false, an array or a table"});
}

void add_places(const JsonPlace& place, const std::string& pointer, const std::string& text,
                const std::string& file, const json& value, CheckTable& table) {
  const TextPosition position = position_of(text, place.begin);
  table.places[pointer] = fmt::format("{}:{}:{}", file, position.line, position.column);
  for (size_t i = 0; i < place.children.size(); ++i) {
    const JsonPlace& child = place.children[i];
    const std::string name = value.is_object() ? escaped(child.key) : fmt::format("{}", i);
    const json& inner = value.is_object() ? value.at(child.key) : value.at(i);
    add_places(child, pointer + "/" + name, text, file, inner, table);
  }
}

DeclaredChecks checks_of_json(const std::string& text, const std::filesystem::path& file) {
  const auto place = [&](size_t offset) {
    const TextPosition position = position_of(text, offset);
    return fmt::format("{}:{}:{}", file.string(), position.line, position.column);
  };
  const JsonText read = read_json(text);
  if (!read.ok())
    throw Error::input({.where = place(read.problem->offset),
                        .found = read.problem->found,
                        .expected = read.problem->expected,
                        .fix = read.problem->fix});
  const bool wrapped = read.value.is_object() && read.value.contains("check");
  if (wrapped)
    for (const auto& [key, value] : read.value.items())
      if (key != "check")
        throw Error::input({.where = place(read.place.at(key).key_begin),
                            .found = fmt::format("the key \"{}\" is not known here", key),
                            .expected = "only check"});
  const json& list = wrapped ? read.value["check"] : read.value;
  const JsonPlace& list_place = wrapped ? read.place.at("check") : read.place;
  std::vector<CheckTable> tables;
  for (size_t i = 0; list.is_array() && i < list.size(); ++i) {
    CheckTable& table = tables.emplace_back();
    table.place = place(list_place.at(i).begin);
    if (!list[i].is_object())
      throw Error::input(
          {.where = table.place, .found = "this is no object", .expected = "{\"type\": …, …}"});
    table.values = list[i];
    add_places(list_place.at(i), "", text, file.string(), table.values, table);
  }
  if (tables.empty())
    throw Error::input({.where = place(list_place.begin),
                        .found = "there are no checks",
                        .expected = "an array of objects such as {\"type\": \"json_valid\"}"});
  return make_checks(tables, file.parent_path());
}

}  // namespace

bool DeclaredCheck::applies_to(const Conversation& row) const {
  if (is_of_rows()) return by_row.contains(row.checks);
  if (!system.empty() && system_prompt(row) != system) return false;
  if (!system_contains.empty() && system_prompt(row).find(system_contains) == std::string_view::npos)
    return false;
  return tag.empty() || std::find(row.tags.begin(), row.tags.end(), tag) != row.tags.end();
}

const Check& DeclaredCheck::of(const Conversation& row) const {
  return is_of_rows() ? *by_row.at(row.checks) : *check;
}

DeclaredChecks make_checks(const std::vector<CheckTable>& tables, const std::filesystem::path& folder) {
  DeclaredChecks declared;
  for (const CheckTable& table : tables) {
    DeclaredOptions options(table);
    DeclaredCheck check;
    check.place = table.place;
    check.type = options.text("type");
    check.name = options.text_or("name", check.type);
    check.primary = options.flag_or("primary", false);
    check.system = options.text_or("system", "");
    check.system_contains = options.text_or("system_contains", "");
    check.tag = options.text_or("tag", "");
    check.check = make_check_of_type(check.type, options, folder);
    options.finish();
    if (check.name.empty() || is_reserved_metric(check.name))
      options.refuse("name", fmt::format("is \"{}\", which the program uses itself or is empty", check.name),
                     "another name");
    for (const DeclaredCheck& other : declared.checks) {
      if (other.name == check.name)
        options.refuse("name", fmt::format("\"{}\" is given twice, first at {}", check.name, other.place),
                       "a name of its own for each check");
      if (other.primary && check.primary)
        options.refuse("primary", fmt::format("is true here and at {}", other.place),
                       "one metric that decides");
    }
    nlohmann::json written = table.values;
    if (written.contains("schema_file"))  // what a run's identity rests on is the schema, not its name
      written["schema_sha256"] = sha256_file(folder / written["schema_file"].get<std::string>());
    declared.tables.push_back(std::move(written));
    declared.checks.push_back(std::move(check));
  }
  return declared;
}

DeclaredChecks checks_of_toml(const toml::node& node, const std::filesystem::path& file) {
  const toml::array* array = node.as_array();
  std::vector<CheckTable> tables;
  const auto add = [&](const toml::node& item) {
    if (!item.is_table())
      throw Error::input({.where = place_of(item.source(), file),
                          .found = "check is no table",
                          .expected = "[[check]] and its keys below it"});
    CheckTable& table = tables.emplace_back();
    table.place = place_of(item.source(), file);
    table.values = from_toml(item, file, "", table);
  };
  if (array)
    for (const auto& item : *array) add(item);
  else
    add(node);
  return make_checks(tables, file.parent_path());
}

DeclaredChecks read_checks_file(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  if (file.extension() == ".json") return checks_of_json(text, file);
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw Error::input(
        {.where = place_of(error.source(), file),
         .found = std::string("this is not TOML: ") + error.what(),
         .fix = "Write [[check]] and below it type = \"…\"; a file of JSON must end in .json."});
  }
  for (const auto& [key, node] : table)
    if (key.str() != "check")
      throw Error::input({.where = place_of(key.source(), file),
                          .found = fmt::format("the key \"{}\" is not known here", key.str()),
                          .expected = "[[check]] tables only",
                          .fix = "Give the configuration of a run by --config."});
  const toml::node* checks = table.get("check");
  if (!checks)
    throw Error::input(
        {.where = file.string(), .found = "there are no checks", .expected = "[[check]] tables"});
  return checks_of_toml(*checks, file);
}

}  // namespace lora
