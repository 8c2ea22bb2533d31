// JSON values that keep every digit of their numbers. What neither a 64-bit integer nor a double tells from its
// neighbours (a long account number) stays as it was written, as nlohmann's "binary", which no JSON text reads to.
// Such values are asked and shown by the functions here, not by is_number(), get<double>() and dump(). Not for JSON
// Schema, whose validator knows doubles only.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "data/json_reader.h"

namespace lora {

// A number's value, 0.DIGITS * 10^exponent: the same for all spellings of it (100, 100.0, 1e2), and for 0 and -0.
struct Decimal {
  bool negative = false;
  std::string digits = {};  // without zeros at either end; empty: 0
  int64_t exponent = 0;     // from -2^40 to 2^40: what is further out counts as that

  bool operator==(const Decimal&) const = default;
};

// Precondition: an optional minus, digits with at most one point, an optional exponent. Linear in the length of the
// text, whatever the exponent.
Decimal read_decimal(std::string_view number);

// read_json(), with such numbers kept as they were written. `place` stays empty.
JsonText read_exact_json(std::string_view text, JsonOptions options = {});

// Whether it is a number, in whichever way it is held.
bool is_exact_number(const nlohmann::json& value);

// Of a number. Precondition: is_exact_number().
Decimal decimal_of(const nlohmann::json& number);
double nearest_double(const nlohmann::json& number);  // the one that read_json() gives

// Compact JSON, as dump() writes it but for the numbers that were kept.
std::string dump_exact(const nlohmann::json& value);

}  // namespace lora
