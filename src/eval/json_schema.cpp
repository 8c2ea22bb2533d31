#include "eval/json_schema.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#include <vector>

#include "base/error.h"

namespace lora {
namespace {

using nlohmann::json;

constexpr std::string_view kPlain[] = {
    "enum",      "const",     "required", "minItems", "maxItems",         "minProperties",    "maxProperties",
    "minLength", "maxLength", "minimum",  "maximum",  "exclusiveMinimum", "exclusiveMaximum", "uniqueItems"};
constexpr std::string_view kAnnotations[] = {"$schema",   "title",    "description",     "default",
                                             "examples",  "$comment", "deprecated",      "readOnly",
                                             "writeOnly", "format",   "contentEncoding", "contentMediaType"};
constexpr std::string_view kOneSchema[] = {
    "not", "if", "then", "else", "contains", "propertyNames", "additionalProperties"};
constexpr std::string_view kSchemaLists[] = {"allOf", "anyOf", "oneOf"};
constexpr std::string_view kSchemaMaps[] = {"properties", "$defs", "definitions", "dependentSchemas"};

template <size_t N>
bool is_in(const std::string& key, const std::string_view (&keys)[N]) {
  for (const std::string_view known : keys)
    if (key == known) return true;
  return false;
}

// Whole doubles as integers: to JSON Schema 5.0 is an integer and equal to 5, to Valijson it is neither.
json with_whole_numbers(const json& value) {
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::trunc(number) == number && std::abs(number) < 0x1p53) return static_cast<int64_t>(number);
    return value;
  }
  // Valijson's integers have 64 bits and a sign.
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    return value.get<double>();
  json out = value;
  if (value.is_structured())
    for (auto& inner : out) inner = with_whole_numbers(inner);
  return out;
}

// All strings of a value, keys included.
void collect_strings(const json& value, std::set<std::string>& out) {
  if (value.is_string()) out.insert(value.get<std::string>());
  if (value.is_object())
    for (const auto& [key, inner] : value.items()) {
      out.insert(key);
      collect_strings(inner, out);
    }
  if (value.is_array())
    for (const json& inner : value) collect_strings(inner, out);
}

// Looks a schema through once: every keyword known, every pattern compiled, every reference to a definition that is
// there and that does not lead back to itself.
class Inspection {
 public:
  Inspection(const json& root, const std::string& where, std::map<std::string, AnswerPattern>& patterns)
      : root_(root), where_(where), patterns_(patterns) {}

  void visit(const json& schema, const std::string& at) {
    if (schema.is_boolean()) return;
    if (!schema.is_object()) refuse(at, "is no schema", "an object, true or false");
    for (const auto& [key, value] : schema.items()) visit_key(key, value, at + "/" + key, at.empty());
  }

  // References that lead to themselves without going into the value would never end.
  void refuse_loops() const {
    for (const auto& [from, to] : direct_) {
      std::set<std::string> seen;
      std::vector<std::string> open{from};
      while (!open.empty()) {
        const std::string name = open.back();
        open.pop_back();
        const auto next = direct_.find(name);
        if (next == direct_.end()) continue;
        for (const std::string& target : next->second) {
          if (target == from)
            refuse(from, "refers to itself without going into the value", "a definition that ends");
          if (seen.insert(target).second) open.push_back(target);
        }
      }
    }
  }

  // The references of `schema` that are followed for the same value, noted under the definition `name`.
  void note_direct(const std::string& name, const json& schema) {
    if (!schema.is_object()) return;
    if (const auto ref = schema.find("$ref"); ref != schema.end() && ref->is_string())
      direct_[name].insert(ref->get<std::string>());
    for (const char* key : {"not", "if", "then", "else"})
      if (const auto inner = schema.find(key); inner != schema.end()) note_direct(name, *inner);
    for (const char* key : {"allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies"})
      if (const auto inner = schema.find(key); inner != schema.end() && inner->is_structured())
        for (const json& one : *inner) note_direct(name, one);
  }

  void note_all_direct() {
    note_direct("#", root_);
    for (const char* group : {"$defs", "definitions"})
      if (const auto defs = root_.find(group); defs != root_.end())
        for (const auto& [name, schema] : defs->items())
          note_direct(fmt::format("#/{}/{}", group, name), schema);
  }

  [[noreturn]] void refuse(const std::string& at, std::string found, std::string expected) const {
    throw Error::input({.where = where_,
                        .found = fmt::format("the schema's {} {}", at.empty() ? "root" : at, found),
                        .expected = std::move(expected)});
  }

 private:
  void visit_key(const std::string& key, const json& value, const std::string& at, bool root) {
    if (is_in(key, kPlain) || is_in(key, kAnnotations) || key == "type") return;
    if (key == "multipleOf") {
      if (!value.is_number() || !(value.get<double>() > 0))
        refuse(at, "is no number above 0", "a number above 0");
      return;
    }
    if (key == "$id" && root) return;
    if (is_in(key, kOneSchema)) return visit(value, at);
    if (is_in(key, kSchemaLists) || key == "prefixItems") return visit_list(value, at);
    if (is_in(key, kSchemaMaps)) {
      if ((key == "$defs" || key == "definitions") && !root)
        refuse(at, "is inside another schema", "definitions at the schema's root");
      return visit_map(value, at);
    }
    if (key == "patternProperties") {
      visit_map(value, at);
      for (const auto& [pattern, schema] : value.items()) add_pattern(pattern, at);
      return;
    }
    if (key == "items" || key == "additionalItems")
      return value.is_array() ? visit_list(value, at) : visit(value, at);
    if (key == "pattern") {
      if (!value.is_string()) refuse(at, "is no string", "a regular expression");
      return add_pattern(value.get<std::string>(), at);
    }
    if (key == "$ref") return visit_reference(value, at);
    if (key == "dependentRequired" || key == "dependencies") {
      if (!value.is_object()) refuse(at, "is no object", "an object");
      for (const auto& [name, inner] : value.items())
        if (!inner.is_array()) visit(inner, at + "/" + name);
      return;
    }
    refuse(at, "is not supported", "the keywords of JSON Schema 2020-12 that docs/checks.md lists");
  }

  void visit_list(const json& value, const std::string& at) {
    if (!value.is_array()) refuse(at, "is no array", "an array of schemas");
    for (size_t i = 0; i < value.size(); ++i) visit(value[i], fmt::format("{}/{}", at, i));
  }
  void visit_map(const json& value, const std::string& at) {
    if (!value.is_object()) refuse(at, "is no object", "an object of schemas");
    for (const auto& [name, schema] : value.items()) visit(schema, at + "/" + name);
  }

  void visit_reference(const json& value, const std::string& at) {
    const std::string target = value.is_string() ? value.get<std::string>() : "";
    if (target == "#") return;
    for (const std::string group : {"$defs", "definitions"}) {
      const std::string prefix = fmt::format("#/{}/", group);
      if (!target.starts_with(prefix)) continue;
      const auto defs = root_.find(group);
      if (defs != root_.end() && defs->is_object() && defs->contains(target.substr(prefix.size()))) return;
    }
    refuse(at, fmt::format("is {}", value.dump(-1, ' ', false, json::error_handler_t::replace)),
           "\"#\", or \"#/$defs/NAME\" with NAME defined at the schema's root");
  }

  void add_pattern(const std::string& pattern, const std::string& at) {
    if (!patterns_.contains(pattern))
      patterns_.emplace(pattern, AnswerPattern(pattern, {}, fmt::format("{}: the schema's {}", where_, at)));
  }

  const json& root_;
  const std::string& where_;
  std::map<std::string, AnswerPattern>& patterns_;
  std::map<std::string, std::set<std::string>> direct_;
};

// The schema for one value, in draft 7 and without regular expressions. The strings of the value are known, so a pattern
// is the list of those that it does not match.
class Translation {
 public:
  Translation(const std::map<std::string, AnswerPattern>& patterns, const std::set<std::string>& strings)
      : patterns_(patterns), strings_(strings) {}

  bool gave_up() const { return gave_up_; }

  json translate(const json& schema) {
    if (schema.is_boolean()) return schema.get<bool>() ? json::object() : json{{"not", json::object()}};
    json out = json::object(), also = json::array();
    for (const auto& [key, value] : schema.items()) {
      if (is_in(key, kPlain))
        out[key] = with_whole_numbers(value);
      else if (key == "type")
        translate_type(value, out, also);
      else if (key == "multipleOf")
        out[key] = value.get<double>();  // Valijson cuts the fraction off where the divisor is an integer
      else if (is_in(key, kOneSchema))
        out[key] = translate(value);
      else if (is_in(key, kSchemaLists))
        out[key] = translate_all(value);
      else if (key == "$defs" || key == "definitions" || key == "properties")
        out[key] = translate_all(value);
      else if (key == "dependentRequired" || key == "dependentSchemas" || key == "dependencies")
        also.push_back({{"dependencies", translate_dependencies(value)}});
      else if (key == "pattern")
        also.push_back({{"not", {{"enum", strings_without(value.get<std::string>())}}}});
      else if (key == "$ref")
        also.push_back({{"$ref", value}});
    }
    translate_items(schema, out);
    add_pattern_properties(schema, out, also);
    if (!also.empty()) {
      json all = out.contains("allOf") ? out["allOf"] : json::array();
      for (json& one : also) all.push_back(std::move(one));
      out["allOf"] = std::move(all);
    }
    return out;
  }

 private:
  json translate_all(const json& schemas) {
    json out = schemas;
    for (auto& schema : out) schema = translate(schema);
    return out;
  }

  // An integer is a number without a fraction, however it is held.
  static void translate_type(const json& type, json& out, json& also) {
    json others = json::array();
    bool integer = false;
    for (const json& name : type.is_array() ? type : json::array({type})) {
      integer = integer || name == "integer";
      if (name != "integer") others.push_back(name);
    }
    if (!integer) {
      out["type"] = type;
      return;
    }
    json any = json::array({{{"type", "number"}, {"multipleOf", 1.0}}});
    if (!others.empty()) any.push_back({{"type", others}});
    also.push_back({{"anyOf", any}});
  }

  json translate_dependencies(const json& value) {
    json out = json::object();
    for (const auto& [name, inner] : value.items()) out[name] = inner.is_array() ? inner : translate(inner);
    return out;
  }

  // prefixItems and items (2020-12) are items and additionalItems of draft 7.
  void translate_items(const json& schema, json& out) {
    const auto prefix = schema.find("prefixItems"), items = schema.find("items");
    if (prefix != schema.end()) {
      out["items"] = translate_all(*prefix);
      if (items != schema.end()) out["additionalItems"] = translate(*items);
    } else if (items != schema.end()) {
      out["items"] = items->is_array() ? translate_all(*items) : translate(*items);
      if (const auto more = schema.find("additionalItems"); more != schema.end() && items->is_array())
        out["additionalItems"] = translate(*more);
    }
  }

  void add_pattern_properties(const json& schema, json& out, json& also) {
    const auto patterns = schema.find("patternProperties");
    if (patterns == schema.end()) return;
    for (const auto& [pattern, inner] : patterns->items()) {
      const json translated = translate(inner);
      for (const std::string& key : strings_) {
        if (!matches(pattern, key)) continue;
        // Known to `properties`, so that additionalProperties passes it over; judged beside what stands there.
        if (!out["properties"].contains(key)) out["properties"][key] = json::object();
        also.push_back({{"properties", {{key, translated}}}});
      }
    }
  }

  bool matches(const std::string& pattern, const std::string& text) {
    const Matched matched = patterns_.at(pattern).search(text);
    gave_up_ = gave_up_ || matched == Matched::kGaveUp;
    return matched == Matched::kYes;
  }

  json strings_without(const std::string& pattern) {
    json out = json::array();
    for (const std::string& text : strings_)
      if (!matches(pattern, text)) out.push_back(text);
    return out;
  }

  const std::map<std::string, AnswerPattern>& patterns_;
  const std::set<std::string>& strings_;
  bool gave_up_ = false;
};

using Adapter = valijson::adapters::NlohmannJsonAdapter;

}  // namespace

JsonSchema::JsonSchema(json schema, std::string where)
    : schema_(std::move(schema)), where_(std::move(where)) {
  Inspection inspection(schema_, where_, patterns_);
  inspection.visit(schema_, "");
  if (schema_.is_object()) inspection.note_all_direct();
  inspection.refuse_loops();
  try {
    why_not(nullptr);  // so that Valijson's own complaints come now
  } catch (const std::runtime_error& error) {
    inspection.refuse("", std::string("is refused: ") + error.what(), "JSON Schema");
  }
}

std::string JsonSchema::why_not(const json& value) const {
  std::set<std::string> strings;
  collect_strings(value, strings);
  Translation translation(patterns_, strings);
  const json translated = translation.translate(schema_);
  if (translation.gave_up()) return "matching a pattern took too many steps, so it counts as failed";
  valijson::Schema compiled;
  valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(Adapter(translated), compiled);
  const json target = with_whole_numbers(value);
  valijson::ValidationResults results;
  valijson::Validator validator;
  if (validator.validate(compiled, Adapter(target), &results)) return "";
  valijson::ValidationResults::Error error;
  std::string why = "does not follow the schema";
  if (results.popError(error)) {
    std::string at;
    for (const std::string& part : error.context)
      if (part != "<root>") at += part;
    why = fmt::format("{}{}", at.empty() ? "" : at + ": ", error.description);
  }
  return why;
}

}  // namespace lora
