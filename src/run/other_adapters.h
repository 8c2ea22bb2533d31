// Contestants that are other adapters of the same base: of other runs, or checkpoints of this one. They are asked what
// tuned is asked, and decide nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.h"
#include "judging/config.h"
#include "model/adapter.h"
#include "run/evaluate.h"
#include "run/session.h"

namespace lora {

struct OtherAdapter {
  std::string name;
  std::string folder;  // as the configuration gives it; of a checkpoint within the run's directory
  Adapter adapter;
  bool is_checkpoint = false;  // of this run
};

// The adapters that [[contestant]] tables name, loaded. Before hours of training rather than after. Errors: kInput, with
// the table's place, when one is missing, broken, of another base, another quantization of it, another shape or template.
std::vector<OtherAdapter> open_adapters(const Session& session, const JudgingConfig& config);

// Throws (kInput, with the table's place) when a checkpoint is named that a run of `total_steps`, with one after each
// `interval` steps and after the last, does not take.
void check_checkpoints(const JudgingConfig& config, int64_t interval, int64_t total_steps);

// Whether the checkpoint of `step` is a contestant. That of a stop in between never is.
bool names_checkpoint(const JudgingConfig& config, int64_t step, int64_t interval, int64_t total_steps);

// How many of a run's checkpoints are contestants.
int64_t count_named_checkpoints(const JudgingConfig& config, int64_t interval, int64_t total_steps);

// The named checkpoints of a finished training, ascending. Errors: kMachine when one is not there.
std::vector<OtherAdapter> open_checkpoints(const Session& session, const JudgingConfig& config,
                                           const std::filesystem::path& checkpoints, int64_t interval,
                                           int64_t total_steps);

// The answers of `first`, and behind them those of the others, all asked in one batch. Errors: as ask().
std::vector<ContestantAnswers> ask_adapters(const Session& session, std::vector<ContestantAsked> first,
                                            const std::vector<OtherAdapter>& others,
                                            const Questions& questions, int64_t batch_size,
                                            Progress& progress);

}  // namespace lora
