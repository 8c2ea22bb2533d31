// What a configuration says of endpoints: the table [judge], and a table [[contestant]] for each model that is asked the
// held-out questions beside base and tuned (docs/judge.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "endpoint/endpoint.h"
#include "eval/judge/controls.h"
#include "eval/judge/prompt.h"

namespace lora {

struct JudgeSettings {
  EndpointConfig endpoint;
  JudgeRubric rubric;
  bool decides = false;              // its preferences decide the verdict, once it passed its controls
  std::vector<std::string> against;  // contestants that tuned is compared with; empty: all
  size_t controls = kControlPairs;   // pairs of each kind
};

struct ContestantSettings {
  std::string name;
  EndpointConfig endpoint;
  bool limits_tokens = false;  // max_tokens was given; else the limit of the other contestants holds
};

struct JudgingConfig {
  std::optional<JudgeSettings> judge;
  std::vector<ContestantSettings> contestants;
  std::string cache_dir;  // key endpoint_cache_dir; empty: in the folder of the results

  bool any() const { return judge || !contestants.empty(); }
};

// Throws what asking would throw for want of a key, a URL or a sound number: before hours of work rather than after.
// Errors: kInput.
void check_endpoints(const JudgingConfig& config);

// The parts of a configuration file that this room knows; all other keys are left to others. Errors: kInput with
// file:line:col: not TOML, unknown key in one of these tables, wrong type, name taken.
JudgingConfig read_judging_toml(const std::filesystem::path& file);

}  // namespace lora
