// When two JSON values are the same: numbers by value (5 = 5.0), all else exactly, the order of keys apart.
#pragma once

#include <nlohmann/json.hpp>

namespace lora {

bool equal_json(const nlohmann::json& a, const nlohmann::json& b);

}  // namespace lora
