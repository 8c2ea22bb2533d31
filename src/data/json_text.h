// Writing JSON text by hand: a string with its escapes.
#pragma once

#include <string>
#include <string_view>

namespace lora {

// Appends `text` (UTF-8) as a JSON string with its quotes. Only what must be escaped is.
void append_json_string(std::string& out, std::string_view text);

}  // namespace lora
