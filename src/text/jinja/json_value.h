// JSON text to template values, as Python's json.loads reads it.
#pragma once

#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace lora::jinja {

// Every string in it, keys too, carries the mark of `source` when one is given. Throws Failure: not JSON, nested too
// deep, an integer beyond 64 bits.
Value value_from_json(const std::string& json, std::optional<uint32_t> source, const Limits& limits);

}  // namespace lora::jinja
