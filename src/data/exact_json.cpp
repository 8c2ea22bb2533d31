#include "data/exact_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "data/plain_text.h"

namespace lora {
namespace {

using nlohmann::json;

constexpr int64_t kFarthest = int64_t{1} << 40;
constexpr size_t kDoubleDigits = std::numeric_limits<double>::digits10;

json kept(std::string_view number) {
  return json::binary(std::vector<uint8_t>(number.begin(), number.end()));
}

std::string kept_text(const json& number) {
  const auto& bytes = number.get_binary();
  return std::string(bytes.begin(), bytes.end());
}

// Two numbers of at most 15 digits never share a double, unless it is one that is not normal.
bool is_held(const Decimal& written, double nearest) {
  return written.digits.empty() || (written.digits.size() <= kDoubleDigits && std::isnormal(nearest));
}

void keep_numbers(json& value, const JsonPlace& place, std::string_view text) {
  if (value.is_number_float()) {
    const std::string_view number = text.substr(place.begin, place.end - place.begin);
    if (!is_held(read_decimal(number), value.get<double>())) value = kept(number);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) keep_numbers(value[i], place.at(i), text);
  } else if (value.is_object()) {
    std::map<std::string_view, const JsonPlace*> members;  // of a key that stands twice the last one counts
    for (const JsonPlace& member : place.children) members[member.key] = &member;
    for (auto at = value.begin(); at != value.end(); ++at)
      keep_numbers(at.value(), *members.at(at.key()), text);
  }
}

}  // namespace

Decimal read_decimal(std::string_view number) {
  const size_t mantissa_end = std::min(number.find_first_of("eE"), number.size());
  Decimal out;
  bool behind_point = false;
  for (const char c : number.substr(0, mantissa_end)) {
    if (c == '.') behind_point = true;
    if (!is_ascii_digit(c)) continue;
    if (c == '0' && out.digits.empty()) {
      out.exponent -= behind_point;
    } else {
      out.digits += c;
      out.exponent += !behind_point;
    }
  }
  out.digits.erase(out.digits.find_last_not_of('0') + 1);
  if (out.digits.empty()) return {};
  out.negative = number.starts_with('-');
  int64_t power = 0;
  for (const char c : number.substr(mantissa_end))
    if (is_ascii_digit(c)) power = std::min(power * 10 + (c - '0'), 2 * kFarthest);
  if (number.find('-', mantissa_end) != std::string_view::npos) power = -power;
  out.exponent = std::clamp(out.exponent + power, -kFarthest, kFarthest);
  return out;
}

JsonText read_exact_json(std::string_view text, JsonOptions options) {
  options.keep_places = true;
  JsonText read = read_json(text, options);
  if (read.ok()) keep_numbers(read.value, read.place, text);
  read.place = {};
  return read;
}

bool is_exact_number(const json& value) {
  return value.is_number() || value.is_binary();
}

Decimal decimal_of(const json& number) {
  if (number.is_binary()) return read_decimal(kept_text(number));
  // The shortest digits that a double comes from are those written, which were 15 at most.
  return read_decimal(number.is_number_float() ? fmt::format("{}", number.get<double>()) : number.dump());
}

double nearest_double(const json& number) {
  return number.is_binary() ? read_json(kept_text(number)).value.get<double>() : number.get<double>();
}

std::string dump_exact(const json& value) {
  if (value.is_binary()) return kept_text(value);
  if (!value.is_structured()) return value.dump();
  std::string inside;
  for (auto at = value.begin(); at != value.end(); ++at) {
    if (!inside.empty()) inside += ',';
    if (value.is_object()) inside += json(at.key()).dump() + ':';
    inside += dump_exact(at.value());
  }
  return value.is_array() ? fmt::format("[{}]", inside) : fmt::format("{{{}}}", inside);
}

}  // namespace lora
