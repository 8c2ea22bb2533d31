// How the fields of a JSON answer are held against the reference's: each in its own way, also inside other objects.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

struct FieldRule {
  enum class Compare { kExact, kCaseFolded, kNumber, kDate, kSet, kIgnore };
  std::string path;  // as it was declared
  // Keys and, in arrays, numbers from 0; "*": each item, all of which must match, in order.
  std::vector<std::string> parts = {};
  Compare compare = Compare::kExact;
  double tolerance = 0;  // kNumber: |a - b| <= max(tolerance, relative |reference|); 0: to the last digit
  double relative = 0;
  std::optional<bool> day_first = {};  // kDate: how 03/04/2024 is read; without it such a date is no date
  bool fold_items = false;             // kSet: items without regard to case
};

// "address.city", "items.*.price"; a leading "/" makes it a JSON pointer, for keys that hold a dot.
std::vector<std::string> field_path(std::string_view path);

// Whether two values match by the rule. Numbers may also be written as strings ("12.50"), dates in the common ways.
// The values are those of read_exact_json().
bool field_matches(const FieldRule& rule, const nlohmann::json& reference, const nlohmann::json& answer);

// The values at the rule's path; nothing where a part of it is missing.
std::optional<nlohmann::json> field_value(const nlohmann::json& value, const std::vector<std::string>& parts);

// What no rule is for: the value without what the rules' paths lead to, and without objects and arrays that held nothing
// else.
nlohmann::json without_ruled(nlohmann::json value, const std::vector<FieldRule>& rules);

// A date as days since 1970 (proleptic Gregorian): 2024-03-05 (a time may follow), 2024/3/5, 5.3.2024, 5 March 2024,
// 5th of March 2024, March 5, 2024, Mar 5 2024; 03/05/2024 and 03-05-2024 where `day_first` or a number above 12 says
// which is the day. Nothing for other texts and days that no calendar has.
std::optional<int64_t> parse_date(std::string_view text, std::optional<bool> day_first = std::nullopt);

}  // namespace lora
