// What a configuration says of judges and of further contestants: the table [judge], and a table [[contestant]] for each
// model that is asked the held-out questions beside base and tuned (docs/judge.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "endpoint/endpoint.h"
#include "eval/judge/controls.h"
#include "eval/judge/prompt.h"

namespace lora {

struct JudgeSettings {
  EndpointConfig endpoint;  // without a base_url: `model` is a local one's file or folder
  JudgeRubric rubric;
  bool decides = false;              // its preferences decide the verdict, once it passed its controls
  std::vector<std::string> against;  // contestants that tuned is compared with; empty: all
  size_t controls = kControlPairs;   // pairs of each kind

  bool is_local() const { return endpoint.base_url.empty(); }
};

// One of three: an endpoint, an adapter of the same base, checkpoints of the run itself.
struct ContestantSettings {
  std::string name;  // of a checkpoint "step-30", "last", or, where all are meant, empty
  EndpointConfig endpoint;
  bool limits_tokens = false;   // max_tokens was given; else the limit of the other contestants holds
  std::string adapter = {};     // a folder in PEFT's format
  std::string checkpoint = {};  // "step-30", "last" or "all"
  std::string place = {};       // file:line:col

  bool is_endpoint() const { return adapter.empty() && checkpoint.empty(); }
};

// The number in "step-30"; nothing for anything else.
std::optional<int64_t> checkpoint_step(std::string_view name);

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
