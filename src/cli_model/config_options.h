// Configuration on the command line: a TOML file, --set key=value, and every key as a flag.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "run/config.h"

namespace lora::cli {

class ConfigOptions {
 public:
  // Adds FILE.toml, --set and a flag for each key ("--learning-rate" and "--learning_rate").
  void add_to(CLI::App& command);
  // The same without FILE.toml, for a command that asks for it in another way and hands it to read().
  void add_keys_to(CLI::App& command);
  // File first, then --set, then flags: the later wins. Errors: kInput.
  RunConfig read() const { return read(file_); }
  RunConfig read(const std::string& file) const;  // empty: none

 private:
  std::string file_;
  std::vector<std::string> sets_;
  std::map<std::string, std::string> flags_;  // by key name; only those that were given
};

}  // namespace lora::cli
