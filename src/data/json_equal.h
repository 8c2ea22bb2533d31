// When two JSON values of read_exact_json() are the same: numbers by value (5 = 5.0) to the last digit, all else
// exactly, the order of keys apart.
#pragma once

#include <nlohmann/json.hpp>

namespace lora {

bool equal_json(const nlohmann::json& a, const nlohmann::json& b);

}  // namespace lora
