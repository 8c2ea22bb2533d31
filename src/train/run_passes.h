// The passes through the model that a training run makes, laid as the run will lay them, without the model: how many
// there are, how large each is, and what they compute.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "model/forest.h"
#include "train/example.h"
#include "train/options.h"
#include "train/pass_memory.h"
#include "train/step_cost.h"

namespace lora {

struct RunPasses {
  int64_t steps = 0;                  // that were laid
  int64_t tokens = 0;                 // of their examples together, shared ones as often as they stand there
  StepSize size;                      // of all their passes together
  std::vector<PassSize> passes = {};  // each

  double tokens_a_step() const;
};

// Of the run's steps: all of them, or, where that would be more than `most_tokens`, so many spread evenly over the run; of the
// longest row there is a pass in any case, since what is planned must hold it. Precondition: there are rows.
RunPasses training_passes(const ModelConfig& model, const std::vector<Example>& rows,
                          const TrainOptions& options, int64_t most_tokens = int64_t{1} << 21);

// Of scoring all rows once; `steps` is 1.
RunPasses scoring_passes(const ModelConfig& model, const std::vector<Example>& rows,
                         const TrainOptions& options);

// One of the passes of the run's first steps, that of the middle size: what to measure with.
Forest typical_pass(const ModelConfig& model, const std::vector<Example>& rows, const TrainOptions& options);

}  // namespace lora
