#include "eval/check_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/nearest_word.h"

namespace lora {
namespace {

using nlohmann::json;

std::string escaped(const std::string& key) {
  std::string out;
  for (const char c : key) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= 60   ? text
         : value.is_object() ? "a table"
         : value.is_array()  ? "an array"
                             : "a long text";
}

}  // namespace

DeclaredOptions::DeclaredOptions(const CheckTable& table, std::string prefix)
    : table_(table), prefix_(std::move(prefix)), values_(&table.values.at(json::json_pointer(prefix_))) {}

std::string DeclaredOptions::pointer(const std::string& key) const {
  return prefix_ + "/" + escaped(key);
}

std::string DeclaredOptions::place(const std::string& key) const {
  const auto found = table_.places.find(pointer(key));
  if (found != table_.places.end()) return found->second;
  const auto own = table_.places.find(prefix_);
  return own != table_.places.end() ? own->second : table_.place;
}

void DeclaredOptions::refuse(const std::string& key, std::string found, std::string expected) const {
  throw Error::input(
      {.where = place(key), .found = fmt::format("{} {}", key, found), .expected = std::move(expected)});
}

const json* DeclaredOptions::find(const std::string& key) {
  asked_.insert(key);
  const auto found = values_->find(key);
  return found == values_->end() ? nullptr : &*found;
}

bool DeclaredOptions::has(const std::string& key) const {
  return values_->contains(key);
}

std::string DeclaredOptions::text(const std::string& key) {
  const json* value = find(key);
  if (!value)
    throw Error::input({.where = place(key),
                        .found = fmt::format("the key {} is missing", key),
                        .expected = fmt::format("{} = \"…\"", key)});
  if (!value->is_string()) refuse(key, "is " + shown(*value), "a string");
  return value->get<std::string>();
}

std::string DeclaredOptions::text_or(const std::string& key, std::string otherwise) {
  return find(key) ? text(key) : otherwise;
}

std::string DeclaredOptions::one_of(const std::string& key, const std::vector<std::string>& allowed,
                                    std::string otherwise) {
  const std::string value = text_or(key, std::move(otherwise));
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
    refuse(key, fmt::format("is \"{}\"", value), fmt::format("one of {}", fmt::join(allowed, ", ")));
  return value;
}

bool DeclaredOptions::flag_or(const std::string& key, bool otherwise) {
  const json* value = find(key);
  if (!value) return otherwise;
  if (!value->is_boolean()) refuse(key, "is " + shown(*value), "true or false");
  return value->get<bool>();
}

std::optional<double> DeclaredOptions::number(const std::string& key) {
  const json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number() || !std::isfinite(value->get<double>()))
    refuse(key, "is " + shown(*value), "a number");
  return value->get<double>();
}

std::optional<size_t> DeclaredOptions::count(const std::string& key) {
  const json* value = find(key);
  if (!value) return std::nullopt;
  const bool whole =
      value->is_number_integer() && (value->is_number_unsigned() || value->get<int64_t>() >= 0);
  if (!whole || value->get<uint64_t>() > 1000000000)
    refuse(key, "is " + shown(*value), "a whole number from 0 to 1000000000");
  return value->get<size_t>();
}

size_t DeclaredOptions::required_count(const std::string& key) {
  if (const auto value = count(key)) return *value;
  throw Error::input({.where = place(key),
                      .found = fmt::format("the key {} is missing", key),
                      .expected = fmt::format("{} = a whole number", key)});
}

std::vector<std::string> DeclaredOptions::texts(const std::string& key) {
  const json* value = find(key);
  if (!value || value->is_string()) {
    std::string one = text(key);
    if (one.empty()) refuse(key, "is empty", "a string, or an array of strings, none of them empty");
    return {std::move(one)};
  }
  std::vector<std::string> texts;
  if (value->is_array())
    for (const json& item : *value)
      if (item.is_string() && !item.get_ref<const std::string&>().empty())
        texts.push_back(item.get<std::string>());
  if (texts.empty() || texts.size() != value->size())
    refuse(key, "is " + shown(*value), "a string, or an array of strings, none of them empty");
  return texts;
}

const json& DeclaredOptions::any(const std::string& key) {
  static const json kNull;
  const json* value = find(key);
  return value ? *value : kNull;
}

std::vector<std::pair<std::string, std::string>> DeclaredOptions::tables(const std::string& key) {
  std::vector<std::pair<std::string, std::string>> names;
  const json* value = find(key);
  if (!value) return names;
  if (!value->is_object()) refuse(key, "is " + shown(*value), "a table");
  for (const auto& [name, inner] : value->items()) {
    const std::string at = pointer(key) + "/" + escaped(name);
    if (!inner.is_object()) {
      const auto found = table_.places.find(at);
      throw Error::input({.where = found == table_.places.end() ? place(key) : found->second,
                          .found = fmt::format("{}.{} is {}", key, name, shown(inner)),
                          .expected = "a table such as { compare = \"number\" }"});
    }
    names.emplace_back(name, at);
  }
  return names;
}

void DeclaredOptions::finish() const {
  for (const auto& [key, value] : values_->items()) {
    if (asked_.contains(key)) continue;
    const std::vector<std::string_view> known(asked_.begin(), asked_.end());
    const std::string_view nearest = nearest_word(key, known);
    throw Error::input({.where = place(key),
                        .found = fmt::format("the key \"{}\" is not known here", key),
                        .expected = fmt::format("of {}", fmt::join(known, ", ")),
                        .fix = nearest.empty() ? "" : fmt::format("Write {}.", nearest)});
  }
}

}  // namespace lora
