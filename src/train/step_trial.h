// How fast this machine trains this model, measured in about a second on real passes through its first layers, with their
// weights as the files hold them: what `lora plan` multiplies up. A layer is as fast as the next, so what two layers more take
// stands for all; what a pass takes beside its layers and the head, small passes most, is told from it.
#pragma once

#include <cstdint>
#include <optional>

#include "base/matmul_precision.h"
#include "files/checkpoint.h"
#include "model/adapter.h"
#include "model/config.h"
#include "model/weights.h"
#include "train/options.h"
#include "train/run_passes.h"

namespace lora {

struct StepTrial {
  double layers = 0;     // FLOP/s of forward and backward, all but the head (pass_work().layers)
  double head = 0;       // FLOP/s of the head, forward and backward
  double reading = 0;    // FLOP/s of the forward pass alone
  double pass = 0;       // seconds of a pass, whatever its size: laying it out, rope's tables, autograd
  double optimizer = 0;  // parameters a second: norm of their gradients, AdamW
  // Answers: seconds that one token of each of `batch` answers takes.
  double decoding = 0;
};

// FLOPs of one pass of training, as this program does them.
struct PassWork {
  double layers = 0, head = 0;
  PassWork& operator+=(const PassWork& other);
};
// The last layer computes but keys and values of tokens that are not predicted from.
PassWork pass_work(const ModelConfig& model, int64_t adapter_weights, const StepSize& size,
                   int64_t last_rows);

struct TrialOptions {
  BaseStorage storage = BaseStorage::kPacked;
  std::optional<MatmulPrecision> precision = MatmulPrecision::kHighest;  // nullopt: training_precision
  int64_t batch = 0;          // answers written together; 0: not measured
  int64_t prompt_tokens = 0;  // that each of them follows
  int64_t repeats = 3;        // the fastest counts; one more runs before
};

// Measures with `pass`, or, where one would take too long, with as much of it. Loads four layers, and takes the memory of a pass
// through them.
StepTrial try_steps(const Checkpoint& checkpoint, const ModelConfig& model, const AdapterConfig& adapter,
                    const TrainOptions& options, const Forest& pass, const TrialOptions& trial);

// Seconds of the passes of `passes` as training does them, with an optimizer step for each of its steps; as scoring does.
double training_seconds(const StepTrial& trial, const ModelConfig& model, const AdapterConfig& adapter,
                        const RunPasses& passes);
double scoring_seconds(const StepTrial& trial, const ModelConfig& model, const RunPasses& passes);

}  // namespace lora
