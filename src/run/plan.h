// What a run will take, before anything is loaded: memory by category, time, disk, and what is unusual about its
// configuration. `lora plan` prints it; `lora run` and `lora train` record it, and obey memory_limit by it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/matmul_precision.h"
#include "run/config.h"
#include "run/run_data.h"
#include "text/text_session.h"
#include "train/example.h"
#include "train/memory_plan.h"
#include "train/options.h"

namespace lora {

// Seconds.
struct PlannedTime {
  double training = 0;           // steps and held-out losses: what training_seconds of finished.json counts
  double tokens_per_second = 0;  // of the steps
  std::optional<double> asking =
      {};  // answers of base and tuned: from half to twice of it, since no one knows how long they are
};

// Bytes.
struct PlannedDisk {
  int64_t checkpoints = 0;  // those that lie there at once
  int64_t number_kept = 0;
  int64_t adapter = 0;
  int64_t records = 0;  // split, metrics, answers, report
  int64_t free = 0;     // where output_dir lies or will lie; 0: not known
  // What passes need while they read a base that was quantized when it was loaded (BaseBytes::spilled): gone with the process.
  int64_t temporary = 0, temporary_free = 0;
  std::string temporary_folder = {};  // spill_folder(); empty: nothing is put there

  int64_t total() const { return checkpoints + adapter + records; }
};

struct PlannedRun {
  std::string model;
  int64_t parameters = 0, trainable = 0;

  size_t train_rows = 0, valid_rows = 0, test_rows = 0;
  int64_t tokens = 0;      // of the training rows
  int64_t supervised = 0;  // of them in the loss
  int64_t longest_row = 0;
  RunLength length{};
  int64_t examples_a_step = 0;
  double passes_a_step = 0, tokens_a_step = 0;
  double unique_tokens_a_step = 0;  // what is computed, beginnings that rows of a step share once

  int64_t micro_batch_tokens = 0;  // chosen or configured
  Recompute recompute = Recompute::kNone;
  int64_t pass_bytes = 0;     // TrainOptions::pass_bytes
  bool base_in_file = false;  // BaseStorage::kPassing
  std::string why;            // of these, where memory_limit had them chosen
  MatmulPrecision precision = MatmulPrecision::kHighest;

  MemoryPlan memory;
  int64_t memory_limit = 0;      // 0: none
  int64_t memory_available = 0;  // of this machine, now
  // The largest pass that fits below the limit, or into the available memory, and how many rows that is on average.
  int64_t largest_pass = 0;
  double rows_of_largest_pass = 0;

  std::optional<PlannedTime> time = {};
  PlannedDisk disk;
  std::vector<std::string> notes = {};

  // The share of a step's tokens that need not be computed; 0: nothing is shared.
  double saved_by_sharing() const;
};

struct PlanOptions {
  bool whole_run = true;     // with questions and verdict; else training alone
  bool measure_time = true;  // takes a second, and a part of the memory of a step
  int64_t repeats = 2;       // of the measurement
};

// Rows as training reads them.
struct PlannedRows {
  std::vector<Example> train, valid;
};
// Lowers max_seq_length to the model's context, with a note. Errors: those of make_examples.
PlannedRows make_planned_rows(RunConfig& config, const TextSession& text, const ModelConfig& model,
                              const Split& split, std::vector<std::string>& notes);

// `config` after finish(). micro_batch_tokens, unless given, and, with memory_limit, recompute are chosen. Errors: kInput when the base
// cannot be read, or when nothing fits memory_limit.
PlannedRun plan_run(const RunConfig& config, const TextSession& text, const ModelConfig& model,
                    const Split& split, const PlannedRows& rows, const PlanOptions& options);

nlohmann::ordered_json plan_json(const PlannedRun& plan);

}  // namespace lora
