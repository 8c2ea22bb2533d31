#include "eval/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/exact_json.h"
#include "data/json_equal.h"
#include "data/json_reader.h"
#include "data/plain_text.h"

namespace lora {
namespace {

using nlohmann::json;

constexpr std::string_view kSpace = " \t\r\n\f\v";

CheckResult passed() {
  return check_passed();
}
CheckResult failed(std::string why) {
  return check_failed(std::move(why));
}

CheckResult not_json(const JsonText& parsed, std::string_view answer) {
  const TextPosition position = position_of(answer, parsed.problem->offset);
  return failed(fmt::format("not JSON: {} at {}:{}", parsed.problem->found, position.line, position.column));
}

class JsonCheck : public Check {
 public:
  explicit JsonCheck(bool lenient) : lenient_(lenient) {}

 protected:
  JsonText parse(std::string_view answer, bool refuse_duplicate_keys) const {
    return read_exact_json(inside(answer),
                           {.max_depth = 256, .refuse_duplicate_keys = refuse_duplicate_keys});
  }
  std::string_view inside(std::string_view answer) const { return lenient_ ? strip_fence(answer) : answer; }

 private:
  bool lenient_;
};

class JsonValid : public JsonCheck {
 public:
  using JsonCheck::JsonCheck;
  std::string_view name() const override { return "json_valid"; }
  bool is_format() const override { return true; }
  CheckResult run(std::string_view answer, std::string_view) const override {
    const JsonText parsed = parse(answer, false);
    return parsed.ok() ? passed() : not_json(parsed, inside(answer));
  }
};

class JsonFields : public JsonCheck {
 public:
  using JsonCheck::JsonCheck;
  std::string_view name() const override { return "json_fields"; }
  CheckResult run(std::string_view answer, std::string_view reference) const override {
    const JsonText wanted = parse(reference, false);
    if (!wanted.ok())  // a reference in plain words among JSON ones
      return trimmed(answer) == trimmed(reference)
                 ? passed()
                 : failed("the reference is not JSON, and the answer is not equal to it");
    const JsonText got = parse(answer, true);
    if (!got.ok()) {
      CheckResult result = not_json(got, inside(answer));
      result.fields = missed_fields(wanted.value);
      return result;
    }
    if (wanted.value.is_object() && !got.value.is_object()) {
      CheckResult result = failed("another value than the reference's");
      result.fields = missed_fields(wanted.value);
      return result;
    }
    if (!wanted.value.is_object() || !got.value.is_object())
      return equal_json(wanted.value, got.value) ? passed() : failed("another value than the reference's");
    return compare_objects(wanted.value, got.value);
  }

 private:
  // What an answer without fields missed.
  static std::vector<FieldResult> missed_fields(const json& wanted) {
    std::vector<FieldResult> fields;
    if (wanted.is_object())
      for (const auto& [key, value] : wanted.items()) fields.push_back({key, false, dump_exact(value), ""});
    return fields;
  }

  static CheckResult compare_objects(const json& wanted, const json& got) {
    CheckResult result;
    std::string wrong;
    size_t right = 0;
    const auto add = [&](FieldResult field) {
      if (field.passed)
        ++right;
      else
        wrong += (wrong.empty() ? "" : ", ") + field.name;
      result.fields.push_back(std::move(field));
    };
    for (const auto& [key, value] : wanted.items()) {
      const bool present = got.contains(key);
      add({key, present && equal_json(value, got[key]), dump_exact(value),
           present ? dump_exact(got[key]) : ""});
    }
    for (const auto& [key, value] : got.items())
      if (!wanted.contains(key)) add({key, false, "", dump_exact(value)});
    result.passed = right == result.fields.size();
    result.score =
        result.fields.empty() ? 1 : static_cast<double>(right) / static_cast<double>(result.fields.size());
    if (!result.passed) result.why = "wrong fields: " + wrong;
    return result;
  }
};

class Exact : public Check {
 public:
  std::string_view name() const override { return "exact"; }
  CheckResult run(std::string_view answer, std::string_view reference) const override {
    return trimmed(answer) == trimmed(reference) ? passed() : failed("not equal to the reference");
  }
};

class NormalizedExact : public Check {
 public:
  std::string_view name() const override { return "normalized_exact"; }
  CheckResult run(std::string_view answer, std::string_view reference) const override {
    const std::string wanted = normalized(reference);
    const bool equal = wanted.empty() ? trimmed(answer) == trimmed(reference) : normalized(answer) == wanted;
    return equal ? passed() : failed("not equal to the reference, case and punctuation apart");
  }
};

using Maker = std::unique_ptr<Check> (*)(bool lenient);
template <typename T>
std::unique_ptr<Check> make_json(bool lenient) {
  return std::make_unique<T>(lenient);
}
template <typename T>
std::unique_ptr<Check> make_plain(bool) {
  return std::make_unique<T>();
}

const std::map<std::string_view, Maker>& makers() {
  static const std::map<std::string_view, Maker> table = {
      {"exact", make_plain<Exact>},
      {"json_fields", make_json<JsonFields>},
      {"json_valid", make_json<JsonValid>},
      {"normalized_exact", make_plain<NormalizedExact>},
  };
  return table;
}

}  // namespace

CheckResult check_passed() {
  return {.passed = true, .score = 1};
}

CheckResult check_failed(std::string why, double score) {
  return {.passed = false, .score = score, .why = std::move(why)};
}

CheckResult check_that(bool holds, std::string why) {
  return holds ? check_passed() : check_failed(std::move(why));
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string_view strip_fence(std::string_view answer) {
  std::string_view inside = trimmed(answer);
  if (!inside.starts_with("```") || !inside.ends_with("```")) return answer;
  const size_t line_end = inside.find('\n');  // behind the opening fence and its language
  if (line_end == std::string_view::npos || line_end + 1 > inside.size() - 3) return answer;
  inside.remove_suffix(3);
  inside.remove_prefix(line_end + 1);
  return inside;
}

bool is_list_item(std::string_view line) {
  line = trimmed_text(line);
  for (const std::string_view mark : {"- ", "* ", "+ ", "\xE2\x80\xA2"})
    if (line.starts_with(mark)) return true;
  size_t digits = 0;
  while (digits < line.size() && is_ascii_digit(line[digits])) ++digits;
  return digits > 0 && digits <= 9 && digits + 1 < line.size() &&
         (line[digits] == '.' || line[digits] == ')') && is_blank(line[digits + 1]);
}

std::string normalized(std::string_view text) {
  constexpr std::string_view kEdge = " \t\r\n\f\v.,;:!?\"'`";
  const size_t begin = text.find_first_not_of(kEdge);
  if (begin == std::string_view::npos) return {};
  text = text.substr(begin, text.find_last_not_of(kEdge) - begin + 1);
  std::string out;
  for (char c : text) {
    if (kSpace.find(c) != std::string_view::npos) {
      if (out.back() != ' ') out += ' ';  // the first character is no space
    } else {
      out += (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return out;
}

std::unique_ptr<Check> make_check(std::string_view name, bool lenient) {
  const auto maker = makers().find(name);
  if (maker == makers().end())
    throw Error::input({.where = "check",
                        .found = fmt::format("unknown check \"{}\"", name),
                        .expected = fmt::format("one of {}", fmt::join(check_names(), ", "))});
  return maker->second(lenient);
}

std::vector<std::string> check_names() {
  std::vector<std::string> names;
  for (const auto& [name, maker] : makers()) names.emplace_back(name);
  return names;
}

}  // namespace lora
