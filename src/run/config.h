// The configuration of a run: flat keys with the names of PEFT, TRL and Transformers, from a TOML file, from flags and
// from --set. One table (config_keys.cpp) says for every key its type, default and meaning; help, errors and run.json
// come out of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "eval/check_declaration.h"
#include "judging/config.h"
#include "model/adapter.h"
#include "run/session.h"
#include "train/options.h"

namespace lora {

struct RunConfig {
  std::string model;
  std::string train_data;
  std::string eval_data;  // empty: split off train_data
  std::string output_dir;
  std::string dataset_text_field = "text";  // key of plain-text rows
  std::vector<std::string> check_ignore;    // codes of `lora check` that are not looked for

  TextOptions text;  // chat_template, enable_thinking, chat_template_date

  AdapterConfig adapter;
  std::vector<std::string> target_modules{"all-linear"};
  TrainOptions train;
  int64_t max_seq_length = 2048;
  bool load_in_4bit = false;
  std::string float32_matmul_precision = "auto";
  bool fp16 = false;
  bool bf16 = false;

  std::string eval_strategy =
      "steps";            // "no": no rows are held out to choose the checkpoint, the last one is kept
  int64_t test_size = 0;  // 0: by the number of rows
  int64_t valid_size = 0;
  int64_t max_new_tokens = 0;  // 0: by the longest reference answer
  int64_t eval_batch_size = 32;
  int64_t latency_questions = 20;  // asked alone, to measure latency; 0: none
  double price_per_hour = 0;       // of this machine, for the cost of local answers; 0: not told
  bool few_shot = true;            // the base is asked with examples in its prompt too
  std::string checks_file;         // declared checks in a file of their own
  DeclaredChecks checks = {};      // of [[check]] tables, or, after finish(), of checks_file
  JudgingConfig judging = {};      // [judge] and [[contestant]] tables
  int64_t micro_batch_tokens =
      0;  // most tokens in a pass; 0: train.micro_batch_tokens, or what run/plan.h chooses
  std::string recompute = "auto";  // none, cheap or block; auto: as memory_limit needs, else none
  std::string memory_limit;        // "3GB": passes are chosen so that the run stays below it; empty: no limit
  int64_t threads = 0;             // 0: all cores
  std::string device = "cpu";      // where the model computes: cpu, cuda or cuda:N
  bool reference = false;          // the plain twins of the fused operations

  // Bytes of memory_limit; 0: none. Filled by finish().
  int64_t memory_limit_bytes = 0;
  // Whether the base is read from its file at each use (BaseStorage::kPassing). Filled by the plan.
  bool base_in_file = false;
  // What is done in place of what was asked, a sentence each ("fp16: … "). Filled by finish().
  std::vector<std::string> notes{};
};

using ConfigValue = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

struct ConfigKey {
  enum class Type { kBool, kInteger, kNumber, kString, kStrings };
  std::string name;
  std::vector<std::string> aliases;
  Type type;
  std::string help;
  std::function<void(RunConfig&, const ConfigValue&)> set;
  std::function<nlohmann::ordered_json(const RunConfig&)> get;
};

// All keys, in the order in which help shows them.
const std::vector<ConfigKey>& config_keys();

// The key called `name` (or an alias). Errors: kInput naming the nearest known key. `where` is the place of the name.
const ConfigKey& find_key(const std::string& name, const std::string& where);

// Sets a key from text, as a flag or --set gives it ("2e-4", "true", "q_proj,v_proj"). Errors: kInput.
void set_from_text(RunConfig& config, const std::string& name, const std::string& text,
                   const std::string& where);

// Reads a TOML file into `config`, its [[check]] tables too. Errors: kInput with file:line:col: not TOML, unknown key,
// wrong type.
void read_toml(RunConfig& config, const std::filesystem::path& file);

// Checks ranges and contradictions, resolves target_modules, reads checks_file, and notes what is done in place of what was asked.
// Errors: kInput naming the key.
void finish(RunConfig& config);

// Every resolved key, for run.json; `check` holds the declared checks, where there are any.
nlohmann::ordered_json config_json(const RunConfig& config);

}  // namespace lora
