// How fast training steps are on this machine, and how fast they could be: `lora bench`. Steps are real ones, of
// train_step; the adapter that they train is thrown away.
//
// Percent of the speed of light = (FLOPs without the head / peak + FLOPs of the head / its rate) / seconds, where the FLOPs
// are what any program must do (step_cost.h) and peak and rate are how fast this machine multiplies matrices of these
// shapes (gemm_peak.h), measured before, between and after the steps. That may pass 100, as this
// program's own products can be faster than a BLAS; so the same is told of what these could do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/profile.h"
#include "model/adapter.h"
#include "model/decoder.h"
#include "train/example.h"
#include "train/gemm_peak.h"
#include "train/options.h"
#include "train/step_cost.h"

namespace lora {

struct StepBenchOptions {
  int64_t warm_up = 2;  // steps before the first that counts
  int64_t steps = 5;
};

// Where the time of a step goes, and the least that it could take.
struct StepPart {
  std::string name;
  double seconds = 0;  // of a step, mean
  double limit = 0;    // seconds; 0: a perfect program would not spend any
};

struct StepBench {
  // Of a step, means over those that count:
  double examples = 0, tokens = 0, unique_tokens = 0, supervised_tokens = 0, passes = 0;
  StepCost cost;
  std::vector<StepPart> parts;  // together the mean of `seconds`

  std::vector<double> seconds;  // of each step that counts
  double median_seconds = 0;
  double limit_seconds = 0;                               // of a step, mean
  double speed_of_light_percent = 0;                      // median over the steps
  double percent_of_panels = 0;                           // the same, of all FLOPs at panel_peak
  double examples_per_second = 0, tokens_per_second = 0;  // of the median step

  int64_t adapter_weights = 0;
  int64_t peak_bytes = 0;  // resident set of the whole process, without what measuring the peak took

  std::vector<GemmRate> layer_rates;
  GemmRate head_rate;
  double peak = 0, panel_peak = 0;  // FLOP/s
  std::vector<double> peak_rounds;  // before, between and after the steps
};

// Steps of `options.batch_size()` rows of `examples`, in the order of a run, begun again when they are used up.
// `profile` gets the steps that count; `said` is told what is being done. Errors: kInterrupted after Ctrl-C; kInput when a
// loss is not finite. Precondition: examples not empty, bench.steps > 0.
StepBench bench_steps(const Decoder& decoder, const AdapterConfig& adapter,
                      const std::vector<Example>& examples, const TrainOptions& options,
                      const StepBenchOptions& bench, Profile& profile,
                      const std::function<void(const std::string&)>& said);

// Rows of random tokens, for when there are no data.
struct GeneratedRows {
  int64_t rows = 64;
  int64_t tokens = 192;     // of a row
  int64_t shared = 80;      // so many at its beginning are the same in all rows
  int64_t supervised = 52;  // so many at its end
};
// Errors: kInput when the numbers contradict each other.
std::vector<Example> generated_examples(const GeneratedRows& rows, int64_t vocab_size, uint64_t seed);

}  // namespace lora
