// The data doctor before a run: what would spoil the fine-tune is said, and recorded, before anything is trained.
#pragma once

#include <string>
#include <vector>

#include "data/doctor.h"
#include "run/config.h"
#include "text/text_session.h"

namespace lora {

// All checks of `lora check` on the training data, against the held-out file where there is one, with the model's own
// tokens; codes of `check_ignore` left out. Errors: kInput for the first finding that is an error, as `check` reports it.
CheckReport check_training_data(const RunConfig& config, const TextSession& session);

// One line a code, the most frequent first: "12 × near-duplicate, first data.jsonl:40: …". Empty when nothing was found.
std::vector<std::string> findings_in_lines(const CheckReport& report);

}  // namespace lora
