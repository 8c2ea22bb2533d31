// One top-level key of a TOML file, for readers that go through all of them.
#pragma once

#include <toml++/toml.h>
#include <string>
#include <string_view>

#include "judging/config.h"

namespace lora {

// Reads `node` when `key` is "judge", "contestant" or "endpoint_cache_dir"; false: it is another key. `file` stands in
// errors. Errors: as read_judging_toml().
bool read_judging_key(JudgingConfig& config, std::string_view key, const toml::node& node,
                      const std::string& file);

}  // namespace lora
