#include "data/json_equal.h"

#include <algorithm>

#include "data/exact_json.h"

namespace lora {
namespace {

using nlohmann::json;

bool equal_numbers(const json& a, const json& b) {
  // Of one type only: nlohmann takes 2^64 - 1 for -1, and integers lose digits as doubles beyond 2^53.
  if (a.type() == b.type() && !a.is_binary()) return a == b;
  return decimal_of(a) == decimal_of(b);
}

}  // namespace

bool equal_json(const json& a, const json& b) {
  if (is_exact_number(a) && is_exact_number(b)) return equal_numbers(a, b);
  if (a.type() != b.type()) return false;
  if (a.is_array()) return std::equal(a.begin(), a.end(), b.begin(), b.end(), equal_json);
  if (a.is_object()) {
    if (a.size() != b.size()) return false;
    return std::all_of(a.items().begin(), a.items().end(), [&](const auto& item) {
      return b.contains(item.key()) && equal_json(item.value(), b.at(item.key()));
    });
  }
  return a == b;
}

}  // namespace lora
