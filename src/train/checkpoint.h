// Checkpoints of a training run: output_dir/checkpoints/step-N, whole or absent, with everything that the steps after N
// depend on. Resuming from one gives the bytes that a straight run would have given. See docs/formats/run_directory.md.
#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "deploy/peft.h"
#include "model/adapter.h"
#include "train/optimizer.h"

namespace lora {

// What the next line of metrics.jsonl is made of: the steps since the last one.
struct UnloggedSteps {
  double loss = 0;       // summed over the tokens, each with its row's weight
  double weight = 0;     // of the supervised tokens
  double grad_norm = 0;  // of the newest step
  int64_t examples = 0, tokens = 0, unique_tokens = 0, supervised_tokens = 0;

  bool operator==(const UnloggedSteps&) const = default;
};

// Where a run stands.
struct TrainState {
  int64_t batch = 0;         // batches drawn from the data so far
  int64_t step = 0;          // optimizer steps made: batches whose loss and gradient were finite
  int64_t bad_in_a_row = 0;  // batches just now that were not
  double seconds = 0;        // of training, over all sittings
  std::optional<double> first_eval_loss{};  // before any step
  std::optional<double> best_eval_loss{};
  int64_t best_step = 0;
  std::vector<std::string> warnings{};  // of batches that were left out
  UnloggedSteps unlogged{};
  bool awaits_evaluation = false;  // the held-out loss of `step`, and what follows from it, are still to come
};

// A folder of a run, and those above it. Errors: kMachine when it cannot be made.
void make_folder(const std::filesystem::path& folder);

class CheckpointFolder {
 public:
  // `root`: output_dir/checkpoints, made when absent. `run_hash` names what a resumed run must share with this one
  // (options, base, data): checkpoints with another hash are not taken.
  // `keeps`: steps whose checkpoints stay beside the best and the newest two; empty: none.
  CheckpointFolder(std::filesystem::path root, std::string run_hash, std::function<bool(int64_t)> keeps = {});

  // Writes step-N atomically (nothing happens when it is there already, unless that one awaits an evaluation which
  // `state` has) and removes older ones that are neither the best nor the newest two nor to be kept. Errors: those of
  // require_finite(), kMachine.
  void save(const TrainState& state, const Adapter& adapter, const Optimizer& optimizer,
            const AdapterRecord& record) const;

  // Throws (kInput) when a number of the adapter after `step`, or of the optimizer where one is given, is not finite, and
  // names the newest checkpoint before it.
  void require_finite(int64_t step, const Adapter& adapter, const Optimizer* optimizer = nullptr) const;

  // Restores the newest checkpoint whose files match their recorded hashes, and removes what was left half-written. nullopt when
  // there is none.
  std::optional<TrainState> restore_newest(Adapter& adapter, Optimizer& optimizer) const;

  // The newest before `end` whose files match their hashes.
  std::optional<int64_t> newest(int64_t end = std::numeric_limits<int64_t>::max()) const;

  // Whether step-N is there, and its files match their hashes.
  bool holds(int64_t step) const;

  // The adapter of step-N. Errors: kMachine unless holds().
  void read_adapter(int64_t step, Adapter& adapter) const;

  std::filesystem::path path_of(int64_t step) const;

 private:
  std::optional<nlohmann::json> valid_state(const std::filesystem::path& folder) const;
  std::vector<int64_t> steps_on_disk() const;  // ascending

  std::filesystem::path root_;
  std::string run_hash_;
  std::function<bool(int64_t)> keeps_;
};

}  // namespace lora
