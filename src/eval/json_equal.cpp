#include "eval/json_equal.h"

#include <algorithm>

namespace lora {
namespace {

using nlohmann::json;

bool equal_numbers(const json& a, const json& b) {
  // Integers are compared as integers: a double would lose digits beyond 2^53.
  if (a.is_number_integer() && b.is_number_integer()) return a == b;
  return a.get<double>() == b.get<double>();
}

}  // namespace

bool equal_json(const json& a, const json& b) {
  if (a.is_number() && b.is_number()) return equal_numbers(a, b);
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
