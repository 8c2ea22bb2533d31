// How results are written down as JSON. Model output may end inside a character; JSON must stay valid, so such bytes become
// U+FFFD.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "base/atomic_file.h"

namespace lora {

// One line, without its line break.
inline std::string record_line(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

// A document of its own, in place of what `file` held. Errors: kMachine.
inline void write_record(const std::filesystem::path& file, const nlohmann::ordered_json& json) {
  write_file_atomic(file, json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n",
                    IfExists::kReplace);
}

}  // namespace lora
