// The rows of a run: read, and dealt to training, choosing and verdict. What a run and its plan have in common.
#pragma once

#include <string>
#include <vector>

#include "data/split.h"
#include "run/config.h"

namespace lora {

struct RunData {
  Split split;
  std::vector<std::string> notes = {};  // on what the user may not have expected, a sentence each
};

// Reads train_data, and eval_data where it is given. `whole_run`: rows are held out for a verdict too, and every row must
// hold a question. Errors: kInput, of the files, of the split, and where training rows are in the held-out set too.
RunData read_run_data(const RunConfig& config, bool whole_run);

}  // namespace lora
