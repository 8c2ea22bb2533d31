// `lora run` and `lora train`: split, ask the base, train, ask again, judge, all in one run directory
// (docs/formats/run_directory.md). A directory that holds an unfinished run of the same configuration is gone on with; one
// that holds anything else is refused.
#pragma once

#include <optional>
#include <string>

#include "base/progress.h"
#include "eval/comparison.h"
#include "run/config.h"
#include "train/trainer.h"

namespace lora {

enum class Scope { kTrainOnly, kWholeRun };

struct PipelineResult {
  TrainReport training;
  std::optional<Evaluation> evaluation{};  // with kWholeRun
  std::optional<Evaluation>
      golden{};  // of the rows marked golden, where there are some; not part of the verdict
  std::string primary_why{};
  std::vector<std::string> notes{};
};

// Errors: kInput for bad configuration, data or model, and for an output_dir that is taken; kInterrupted; kMachine.
PipelineResult run_pipeline(RunConfig config, Scope scope, Progress& progress);

}  // namespace lora
