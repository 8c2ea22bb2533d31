// What every command shares: the --format option, and JSON on standard output as one document.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

namespace lora::cli {

// Adds `--format text|json` to a command.
inline void add_format(CLI::App& command, std::string& format) {
  command
      .add_option("--format", format,
                  "text, or json: one document on standard output, all else on standard error")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str("text");
}

inline void print_json(const nlohmann::ordered_json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace lora::cli
