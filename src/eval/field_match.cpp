#include "eval/field_match.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <span>

#include "data/exact_json.h"
#include "data/json_equal.h"
#include "data/plain_text.h"

namespace lora {
namespace {

using nlohmann::json;

// Case and runs of white space apart.
std::string folded(const std::string& text) {
  std::string out;
  for (const std::string_view word : space_words(text)) (out.empty() ? out : out += ' ') += folded_text(word);
  return out;
}

json folded_json(const json& value) {
  if (value.is_string()) return folded(value.get<std::string>());
  json out = value;
  if (value.is_structured())
    for (auto& inner : out) inner = folded_json(inner);
  return out;
}

struct Number {
  double nearest = 0;
  Decimal exact = {};
};

std::optional<Number> number_of(const json& value) {
  if (is_exact_number(value)) return Number{nearest_double(value), decimal_of(value)};
  if (!value.is_string()) return std::nullopt;
  std::string_view text = trimmed_text(value.get_ref<const std::string&>());
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return Number{number, read_decimal(text)};
}

bool equal_numbers(const FieldRule& rule, const json& reference, const json& answer) {
  const auto wanted = number_of(reference), got = number_of(answer);
  if (!wanted || !got) return equal_json(reference, answer);
  const double a = wanted->nearest, b = got->nearest;
  const double allowed = std::max(rule.tolerance, rule.relative * std::abs(a));
  if (allowed == 0) return wanted->exact == got->exact;
  // A difference that is the tolerance but for rounding (0.3 - 0.2 against 0.1) is within it.
  constexpr double kRounding = 4 * std::numeric_limits<double>::epsilon();
  return std::abs(a - b) <= allowed + kRounding * std::max(std::abs(a), std::abs(b));
}

bool equal_sets(const FieldRule& rule, const json& reference, const json& answer) {
  if (!reference.is_array() || !answer.is_array()) return false;
  const json a = rule.fold_items ? folded_json(reference) : reference;
  const json b = rule.fold_items ? folded_json(answer) : answer;
  const auto within = [](const json& some, const json& all) {
    return std::all_of(some.begin(), some.end(), [&](const json& item) {
      return std::any_of(all.begin(), all.end(), [&](const json& other) { return equal_json(item, other); });
    });
  };
  return within(a, b) && within(b, a);
}

constexpr std::array<std::string_view, 12> kMonths{"january",   "february", "march",    "april",
                                                   "may",       "june",     "july",     "august",
                                                   "september", "october",  "november", "december"};

std::optional<unsigned> month_of(std::string_view word) {
  if (word.ends_with('.')) word.remove_suffix(1);
  for (unsigned i = 0; i < 12; ++i)
    if (word == kMonths[i] || word == kMonths[i].substr(0, 3) || (word == "sept" && i == 8)) return i + 1;
  return std::nullopt;
}

std::optional<unsigned> digits_of(std::string_view word, size_t most) {
  if (word.empty() || word.size() > most || !std::all_of(word.begin(), word.end(), is_ascii_digit))
    return std::nullopt;
  unsigned number = 0;
  std::from_chars(word.data(), word.data() + word.size(), number);
  return number;
}

std::optional<int64_t> days(std::optional<unsigned> year, std::optional<unsigned> month,
                            std::optional<unsigned> day) {
  if (!year || !month || !day || *year < 1) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

std::vector<std::string_view> split_at(std::string_view text, char mark) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(mark);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<int64_t> numeric_date(std::string_view text, char mark, std::optional<bool> day_first) {
  const auto parts = split_at(text, mark);
  if (parts.size() != 3) return std::nullopt;
  if (parts[0].size() == 4)  // 2024-03-05
    return days(digits_of(parts[0], 4), digits_of(parts[1], 2), digits_of(parts[2], 2));
  if (parts[2].size() != 4) return std::nullopt;
  const auto first = digits_of(parts[0], 2), second = digits_of(parts[1], 2), year = digits_of(parts[2], 4);
  if (!first || !second) return std::nullopt;
  if (mark == '.' || *first > 12 || *first == *second) return days(year, second, first);
  if (*second > 12) return days(year, first, second);
  if (!day_first) return std::nullopt;
  return *day_first ? days(year, second, first) : days(year, first, second);
}

std::string_view without_ordinal(std::string_view word) {
  for (const std::string_view end : {"st", "nd", "rd", "th", "."})
    if (word.size() > end.size() && word.ends_with(end) && is_ascii_digit(word[0])) {
      word.remove_suffix(end.size());
      break;
    }
  return word;
}

// Puts the mark "discarded", which no value that was read has, in place of what the path leads to.
void mark(json& value, std::span<const std::string> path) {
  if (path.empty()) {
    value = json(json::value_t::discarded);
  } else if (value.is_object()) {
    const auto found = value.find(path[0]);
    if (found != value.end()) mark(*found, path.subspan(1));
  } else if (value.is_array() && path[0] == "*") {
    for (json& item : value) mark(item, path.subspan(1));
  } else if (value.is_array()) {
    const auto index = digits_of(path[0], 9);
    if (index && *index < value.size()) mark(value[*index], path.subspan(1));
  }
}

// Takes out what is marked; true where nothing else was there. In arrays null takes its place.
bool drop_marked(json& value) {
  if (value.is_discarded()) return true;
  if (!value.is_structured() || value.empty()) return false;
  if (value.is_array()) {
    bool all = true;
    for (json& item : value) {
      const bool gone = drop_marked(item);
      if (gone) item = nullptr;
      all &= gone;
    }
    return all;
  }
  for (auto at = value.begin(); at != value.end();) {
    if (drop_marked(*at))
      at = value.erase(at);
    else
      ++at;
  }
  return value.empty();
}

}  // namespace

std::optional<int64_t> parse_date(std::string_view text, std::optional<bool> day_first) {
  text = trimmed_text(text);
  if (text.size() > 64) return std::nullopt;
  // A time behind an ISO date says nothing of the day.
  if (text.size() > 10 && text[4] == '-' && (text[10] == 'T' || text[10] == ' ') && text.size() > 12 &&
      is_ascii_digit(text[11]))
    text = text.substr(0, 10);
  for (const char mark : {'-', '/', '.'})
    if (const auto date = numeric_date(text, mark, day_first)) return date;
  std::string spaced = folded_text(text);
  std::replace(spaced.begin(), spaced.end(), ',', ' ');
  std::vector<std::string_view> words = space_words(spaced);
  std::erase(words, std::string_view("of"));
  if (words.size() != 3 || words[2].size() != 4) return std::nullopt;
  const auto year = digits_of(words[2], 4);
  if (const auto month = month_of(words[1]))
    return days(year, month, digits_of(without_ordinal(words[0]), 2));
  return days(year, month_of(words[0]), digits_of(without_ordinal(words[1]), 2));
}

std::vector<std::string> field_path(std::string_view path) {
  std::vector<std::string> parts;
  const bool pointer = path.starts_with('/');
  if (pointer) path.remove_prefix(1);
  for (const std::string_view part : split_at(path, pointer ? '/' : '.')) {
    std::string text(part);
    if (pointer) {  // "~1" is "/", "~0" is "~" (RFC 6901)
      for (size_t at = 0; (at = text.find("~1", at)) != std::string::npos; ++at) text.replace(at, 2, 1, '/');
      for (size_t at = 0; (at = text.find("~0", at)) != std::string::npos; ++at) text.replace(at, 2, 1, '~');
    }
    parts.push_back(std::move(text));
  }
  return parts;
}

std::optional<json> field_value(const json& value, const std::vector<std::string>& parts) {
  std::optional<json> at = value;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (at->is_object()) {
      const auto found = at->find(parts[i]);
      if (found == at->end()) return std::nullopt;
      at = json(*found);
    } else if (at->is_array() && parts[i] == "*") {
      const std::vector<std::string> rest(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1, parts.end());
      json items = json::array();
      for (const json& item : *at) {
        auto inner = field_value(item, rest);
        if (!inner) return std::nullopt;
        items.push_back(std::move(*inner));
      }
      return items;
    } else if (at->is_array()) {
      const auto index = digits_of(parts[i], 9);
      if (!index || *index >= at->size()) return std::nullopt;
      at = json((*at)[*index]);
    } else {
      return std::nullopt;
    }
  }
  return at;
}

json without_ruled(json value, const std::vector<FieldRule>& rules) {
  for (const FieldRule& rule : rules) mark(value, rule.parts);
  drop_marked(value);
  return value;
}

bool field_matches(const FieldRule& rule, const json& reference, const json& answer) {
  // A path through "*" gives the values of all items: each is held against its own.
  if (std::find(rule.parts.begin(), rule.parts.end(), "*") != rule.parts.end() &&
      rule.compare != FieldRule::Compare::kSet) {
    if (!reference.is_array() || !answer.is_array() || reference.size() != answer.size()) return false;
    FieldRule each = rule;
    each.parts.erase(std::find(each.parts.begin(), each.parts.end(), "*"));
    return std::equal(reference.begin(), reference.end(), answer.begin(),
                      [&](const json& a, const json& b) { return field_matches(each, a, b); });
  }
  switch (rule.compare) {
    case FieldRule::Compare::kCaseFolded:
      return equal_json(folded_json(reference), folded_json(answer));
    case FieldRule::Compare::kNumber:
      return equal_numbers(rule, reference, answer);
    case FieldRule::Compare::kSet:
      return equal_sets(rule, reference, answer);
    case FieldRule::Compare::kDate:
      if (reference.is_string() && answer.is_string()) {
        const auto a = parse_date(reference.get_ref<const std::string&>(), rule.day_first);
        const auto b = parse_date(answer.get_ref<const std::string&>(), rule.day_first);
        if (a && b) return *a == *b;
      }
      return equal_json(reference, answer);
    case FieldRule::Compare::kIgnore:
      return true;
    case FieldRule::Compare::kExact:
      break;
  }
  return equal_json(reference, answer);
}

}  // namespace lora
