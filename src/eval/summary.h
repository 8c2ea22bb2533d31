// An evaluation told: as eval/summary.json and as a table for a terminal. Judging is comparison.h's.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "eval/comparison.h"

namespace lora {

// eval/summary.json (docs/formats/): rates, comparisons, verdict.
nlohmann::ordered_json summary_json(const Evaluation& evaluation);

// Rates and comparisons as plain text for a terminal, 80 columns, ends in a line break. The sentence is not
// in it.
std::string comparison_table(const Evaluation& evaluation);

}  // namespace lora
