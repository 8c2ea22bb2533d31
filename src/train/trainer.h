// A training run: which rows form each step, when to look at the held-out rows, what is recorded, and how a run that was
// stopped goes on. The step itself is step.h.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/interrupt.h"
#include "base/progress.h"
#include "deploy/peft.h"
#include "model/adapter.h"
#include "model/decoder.h"
#include "train/example.h"
#include "train/options.h"

namespace lora {

struct TrainingRun {
  std::filesystem::path output_dir;  // gets checkpoints/, metrics.jsonl and adapter/
  std::string run_hash;              // see CheckpointFolder
  AdapterRecord record;
  std::function<bool(int64_t)> keeps_checkpoint = {};  // see CheckpointFolder
  std::function<bool()> stop = interrupt_requested;    // asked after steps, and between passes over `valid`
};

struct TrainReport {
  int64_t steps = 0, total_steps = 0;
  int64_t best_step = 0;  // the step whose adapter was kept
  std::optional<double> first_eval_loss{}, best_eval_loss{};
  double seconds = 0;
  std::vector<std::string> warnings{};
};

// Trains `adapter` on `train`; with `valid` rows the adapter of the lowest held-out loss is kept, else the last. Goes on
// from the newest valid checkpoint in output_dir. At the end output_dir/adapter holds the kept adapter, and so does
// `adapter`. Errors: kInterrupted when told to stop (Ctrl-C), with a checkpoint saved; kInput when losses are not finite
// three times in a row (with the rows' lines), or a number of the adapter is not, which is then not saved; kMachine when
// the disk fails.
TrainReport train(const Decoder& decoder, Adapter& adapter, const std::vector<Example>& train_rows,
                  const std::vector<Example>& valid_rows, const TrainOptions& options, const TrainingRun& run,
                  Progress& progress);

}  // namespace lora
