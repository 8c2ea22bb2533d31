// How long one user waits for an answer of a local model. Answers of an evaluation are written many at a time, which says
// nothing of that; so here some of the questions are asked once more, each alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "run/config.h"
#include "run/evaluate.h"
#include "run/session.h"

namespace lora {

struct LatencyOptions {
  int64_t questions = 20;  // at most, spread over all; 0: nothing is measured
  double seconds = 10;     // for each contestant; after that no further question is begun …
  int64_t fewest = 5;      // … unless fewer were asked
  std::optional<double> price_per_hour = {};  // of this machine, in any one currency
};

// What the configuration says of it.
LatencyOptions latency_options(const RunConfig& config);

// A contestant that is a local model: its answers, and the adapter that gave them.
struct LocalContestant {
  ContestantAnswers* answers;
  const Adapter* adapter;
};

// Which of `count` questions are asked: at most `most`, evenly spread; every second of them first, so that
// those are spread too that are asked before time runs out.
std::vector<size_t> spread_over(size_t count, size_t most);

// Asks each question of all contestants in turn, so that whatever else the machine does meets all alike. An answer's time
// runs from the reading of its prompt, of which nothing is kept from before, to its last token. Writes folder/timing.json
// (docs/formats/run_directory.md) and fills each contestant's latency. Errors: kInterrupted, kMachine.
void measure_latency(const Session& session, const std::vector<LocalContestant>& contestants,
                     const Questions& questions, const LatencyOptions& options,
                     const std::filesystem::path& folder, Progress& progress);

}  // namespace lora
