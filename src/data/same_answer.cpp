#include "data/same_answer.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "data/exact_json.h"
#include "data/json_equal.h"
#include "data/words.h"

namespace lora {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// What stands in a fenced block that is the whole text; else the text.
std::string_view without_fence(std::string_view text) {
  text = trimmed(text);
  if (text.size() < 6 || !text.starts_with("```") || !text.ends_with("```")) return text;
  const size_t line = text.find('\n');
  if (line == std::string_view::npos || line + 3 > text.size()) return text;
  return trimmed(text.substr(line, text.size() - 3 - line));
}

// By digits, and as a double for inf, which has none. NaN is a word, which equals itself.
std::optional<std::pair<double, Decimal>> number_of(std::string_view text) {
  std::string digits;
  for (const char c : trimmed(text))
    if (c != ',' && c != ' ' && c != '_') digits += c;
  if (digits.ends_with('.')) digits.pop_back();
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::invalid_argument || end != digits.data() + digits.size() || std::isnan(value))
    return {};
  return std::pair(value, read_decimal(digits));
}

std::optional<nlohmann::json> json_of(std::string_view text) {
  text = without_fence(text);
  if (text.empty() || (text.front() != '{' && text.front() != '[')) return {};
  JsonText parsed = read_exact_json(text);
  if (!parsed.ok()) return {};
  return std::move(parsed.value);
}

bool same_value(const nlohmann::json& a, const nlohmann::json& b) {
  if (a.is_object() && b.is_object()) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a.items()) {
      const auto at = b.find(key);
      if (at == b.end() || !same_value(value, *at)) return false;
    }
    return true;
  }
  if (a.is_array() && b.is_array()) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i)
      if (!same_value(a[i], b[i])) return false;
    return true;
  }
  if (a.is_structured() || b.is_structured()) return false;
  if (is_exact_number(a) && is_exact_number(b)) return equal_json(a, b);
  const auto spelled = [](const nlohmann::json& scalar) {
    return scalar.is_string() ? scalar.get<std::string>() : dump_exact(scalar);
  };
  return a == b || say_the_same(std::string_view(spelled(a)), std::string_view(spelled(b)));
}

}  // namespace

bool say_the_same(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const auto number_a = number_of(a), number_b = number_of(b);
  if (number_a && number_b) return *number_a == *number_b;
  const auto json_a = json_of(a), json_b = json_of(b);
  if (json_a && json_b) return same_value(*json_a, *json_b);
  const std::vector<std::string> words = words_of(without_fence(a));
  if (words.empty()) return trimmed(a) == trimmed(b);
  return words == words_of(without_fence(b));
}

bool say_the_same(const Message& a, const Message& b) {
  return say_the_same(std::string_view(a.content), std::string_view(b.content)) &&
         say_the_same(std::string_view(a.tool_calls), std::string_view(b.tool_calls));
}

}  // namespace lora
