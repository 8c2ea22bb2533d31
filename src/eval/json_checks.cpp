// Declared checks of JSON answers: validity, a schema, fields by rules.
#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "data/exact_json.h"
#include "data/json_reader.h"
#include "eval/check_types.h"
#include "eval/field_match.h"
#include "eval/json_schema.h"

namespace lora {
namespace {

using nlohmann::json;
using std::filesystem::path;

JsonText read_answer(std::string_view text, bool refuse_duplicate_keys) {
  return read_exact_json(text, {.max_depth = 256, .refuse_duplicate_keys = refuse_duplicate_keys});
}

std::string not_json(const JsonText& read, std::string_view text) {
  const TextPosition position = position_of(text, read.problem->offset);
  return fmt::format("not JSON: {} at {}:{}", read.problem->found, position.line, position.column);
}

class SchemaCheck : public Check {
 public:
  SchemaCheck(JsonSchema schema, bool fence) : schema_(std::move(schema)), fence_(fence) {}
  std::string_view name() const override { return "json_schema"; }
  bool is_format() const override { return true; }
  CheckResult run(std::string_view answer, std::string_view) const override {
    const std::string_view inside = fence_ ? strip_fence(answer) : answer;
    const JsonText read = read_json(inside, {.max_depth = 256, .keep_places = false});
    if (!read.ok()) return check_failed(not_json(read, inside));
    std::string why = schema_.why_not(read.value);
    return why.empty() ? check_passed() : check_failed(std::move(why));
  }

 private:
  JsonSchema schema_;
  bool fence_;
};

std::unique_ptr<Check> make_schema(DeclaredOptions& options, const path& folder) {
  const bool fence = options.flag_or("fence", false);
  const json inline_schema = options.any("schema");
  const std::string file = options.text_or("schema_file", "");
  if (inline_schema.is_null() == file.empty())
    options.refuse("type", "needs schema or schema_file", "one of the two");
  if (file.empty())
    return std::make_unique<SchemaCheck>(JsonSchema(inline_schema, options.place("schema")), fence);
  const path at = folder / file;
  const std::string text = read_file(at);
  const JsonText read = read_json(text);
  if (!read.ok()) {
    const TextPosition position = position_of(text, read.problem->offset);
    throw Error::input({.where = fmt::format("{}:{}:{}", at.string(), position.line, position.column),
                        .found = read.problem->found,
                        .expected = read.problem->expected,
                        .fix = read.problem->fix});
  }
  return std::make_unique<SchemaCheck>(JsonSchema(read.value, at.string()), fence);
}

// json_fields with rules for some fields; what no rule is for is compared exactly, also beside a ruled path.
class RuledFields : public Check {
 public:
  RuledFields(std::vector<FieldRule> rules, bool fence, bool only, bool extra_fails)
      : rules_(std::move(rules)), fence_(fence), only_(only), extra_fails_(extra_fails) {}
  std::string_view name() const override { return "json_fields"; }

  CheckResult run(std::string_view answer, std::string_view reference) const override {
    const std::string_view inside = fence_ ? strip_fence(answer) : answer;
    const JsonText wanted = read_answer(reference, false);
    if (!wanted.ok() || !wanted.value.is_object())
      return make_check("json_fields", fence_)->run(answer, reference);
    JsonText got = read_answer(inside, true);
    const bool is_object = got.ok() && got.value.is_object();
    if (!is_object) got.value = json::object();  // all fields are missing
    CheckResult result;
    for (const FieldRule& rule : rules_)
      if (rule.compare != FieldRule::Compare::kIgnore)
        add(result, rule, field_value(wanted.value, rule.parts), field_value(got.value, rule.parts));
    const json wanted_rest = without_ruled(wanted.value, rules_);
    const json got_rest = without_ruled(got.value, rules_);
    for (const auto& [key, value] : wanted_rest.items())
      if (!only_)
        add(result, FieldRule{.path = key}, value,
            got_rest.contains(key) ? std::optional<json>(got_rest.at(key)) : std::nullopt);
    for (const auto& [key, value] : got_rest.items())
      if (extra_fails_ && !wanted_rest.contains(key))
        add(result, FieldRule{.path = key}, std::nullopt, value);
    size_t right = 0;
    std::string wrong;
    for (const FieldResult& field : result.fields) {
      right += field.passed;
      if (!field.passed) wrong += (wrong.empty() ? "" : ", ") + field.name;
    }
    result.passed = is_object && right == result.fields.size();
    if (!is_object) {
      result.why = got.ok() ? "no JSON object" : not_json(got, inside);
      return result;
    }
    result.score =
        result.fields.empty() ? 1 : static_cast<double>(right) / static_cast<double>(result.fields.size());
    if (!result.passed) result.why = "wrong fields: " + wrong;
    return result;
  }

 private:
  void add(CheckResult& result, const FieldRule& rule, const std::optional<json>& wanted,
           const std::optional<json>& got) const {
    if (!wanted && (!got || !extra_fails_)) return;
    result.fields.push_back({rule.path, wanted && got && field_matches(rule, *wanted, *got),
                             wanted ? dump_exact(*wanted) : "", got ? dump_exact(*got) : ""});
  }

  std::vector<FieldRule> rules_;
  bool fence_, only_, extra_fails_;
};

FieldRule read_rule(const std::string& name, DeclaredOptions options) {
  using Compare = FieldRule::Compare;
  FieldRule rule{.path = name};
  rule.parts = field_path(name);
  for (const std::string& part : rule.parts)
    if (part.empty())
      options.refuse("compare", fmt::format("of \"{}\" has a path with an empty part", name),
                     "a path such as address.city");
  const std::map<std::string, Compare> kinds{{"exact", Compare::kExact},   {"casefold", Compare::kCaseFolded},
                                             {"number", Compare::kNumber}, {"date", Compare::kDate},
                                             {"set", Compare::kSet},       {"ignore", Compare::kIgnore}};
  std::vector<std::string> names;
  for (const auto& [kind, compare] : kinds) names.push_back(kind);
  rule.compare = kinds.at(options.one_of("compare", names, "exact"));
  if (rule.compare == Compare::kNumber) {
    rule.tolerance = options.number("tolerance").value_or(0);
    rule.relative = options.number("relative").value_or(0);
    if (rule.tolerance < 0) options.refuse("tolerance", "is below 0", "0 or more");
    if (rule.relative < 0) options.refuse("relative", "is below 0", "0 or more");
  }
  if (rule.compare == Compare::kDate && options.has("day_first"))
    rule.day_first = options.flag_or("day_first", true);
  if (rule.compare == Compare::kSet) rule.fold_items = options.flag_or("ignore_case", false);
  options.finish();
  return rule;
}

std::unique_ptr<Check> make_fields(DeclaredOptions& options, const path&) {
  const bool fence = options.flag_or("fence", false), only = options.flag_or("only", false);
  const bool extra_fails = options.one_of("extra", {"fail", "ignore"}, only ? "ignore" : "fail") == "fail";
  std::vector<FieldRule> rules;
  for (const auto& [name, pointer] : options.tables("field"))
    rules.push_back(read_rule(name, DeclaredOptions(options.table(), pointer)));
  if (only && rules.empty())
    options.refuse("only", "is true, but no field is given", "[check.field] with a field");
  return std::make_unique<RuledFields>(std::move(rules), fence, only, extra_fails);
}

}  // namespace

std::vector<CheckType> json_check_types() {
  return {
      {"json_valid", [](DeclaredOptions& options,
                        const path&) { return make_check("json_valid", options.flag_or("fence", false)); }},
      {"json_schema", make_schema},
      {"json_fields", make_fields}};
}

}  // namespace lora
