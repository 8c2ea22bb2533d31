// Whole numbers out of JSON: never by way of a floating-point number, which may be out of range.
#pragma once

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"

namespace lora {

// Errors: kInput when `value` is not a whole number of 64 bits.
inline int64_t whole_number(const nlohmann::json& value, const std::string& where) {
  if (value.is_number_unsigned() ? value.get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()}
                                 : value.is_number_integer())
    return value.get<int64_t>();
  throw Error::input(
      {.where = where,
       .found = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace).substr(0, 80),
       .expected = "a whole number"});
}

// The same at `key`; `otherwise` when there is none.
inline int64_t whole_number(const nlohmann::json& object, const char* key, int64_t otherwise,
                            const std::string& where) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? otherwise : whole_number(*found, where + ": " + key);
}

}  // namespace lora
