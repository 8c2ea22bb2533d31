// What a run directory says about a run (docs/formats/run_directory.md), as plain values for those who show it. Reads
// files and judges nothing; the evaluation within it is evaluation_record.h's.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/evaluation_record.h"
#include "report/judge_section.h"
#include "report/token_view.h"

namespace lora {

// A line of metrics.jsonl.
struct TrainingStep {
  double step = 0, epoch = 0, loss = 0;
  std::optional<double> eval_loss = {};
  double learning_rate = 0, grad_norm = 0;
  size_t examples = 0, tokens = 0, unique_tokens = 0, supervised_tokens = 0;
  double seconds = 0;
  size_t peak_memory_bytes = 0;
};

struct SplitSizes {
  size_t train = 0, valid = 0, test = 0, set_aside = 0, golden = 0;
  std::string why;
};

// finished.json: how the training ended.
struct TrainingEnd {
  size_t steps = 0, best_step = 0;
  std::optional<double> eval_loss_first = {}, eval_loss_best = {};
  // With load_in_4bit: of the base on the rows of the first step.
  std::optional<double> loss_full_precision = {}, loss_4bit = {};
  double seconds = 0;
  size_t peak_memory_bytes = 0;  // of the whole run's last sitting; 0: not recorded
  std::vector<std::string> warnings = {};
};

// plan.json: what was foreseen before the run began.
struct RunPlan {
  std::optional<double> seconds = {}, tokens_per_second = {}, peak_memory_bytes = {};
  std::vector<std::pair<std::string, double>> memory = {};  // bytes by category, together peak_memory_bytes
  std::string why;                                          // of the passes, where a memory limit chose them
  std::vector<std::string> notes = {};
};

struct RunRecord {
  std::string name;               // of the folder
  std::filesystem::path results;  // where summary.json, answers.jsonl and judge.jsonl lie, or would
  std::string version, run_hash;
  std::vector<std::pair<std::string, std::string>> config;  // in the order of run.json; values as JSON
  size_t threads = 0;
  std::optional<SplitSizes> split = {};
  std::vector<std::string> notes = {};
  std::vector<TrainingStep> steps = {};
  std::optional<TrainingEnd> end = {};
  std::optional<EvaluationRecord> evaluation = {}, golden = {};
  std::optional<JudgeRecord> judge = {};
  std::vector<TokenView> token_views = {};
  std::optional<RunPlan> plan = {};
};

// Reads what is there of a directory of `lora run`, `lora train` or `lora eval`, finished or not. A directory of
// `lora eval` has its evaluation at the top. Errors: kInput when the folder holds no run or a file of it is broken;
// kMachine.
RunRecord read_run(const std::filesystem::path& folder);

}  // namespace lora
