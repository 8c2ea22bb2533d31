// What load_in_4bit costs: the notes that a user should see, and the loss of the base before and after, measured.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "run/session.h"
#include "train/example.h"
#include "train/forest_builder.h"

namespace lora {

// What to say of load_in_4bit before training; nullopt: nothing. The base's file is quantized already, or the model is so
// small that it loses much.
std::optional<std::string> load_in_4bit_note(const Session& session);

// Mean nll of a supervised token of the same examples under the untrained base.
struct QuantizationLoss {
  int64_t examples = 0;
  double full_precision = 0, four_bit = 0;

  std::string sentence() const;  // "…: loss 2.31 in full precision, 2.38 in 4 bits (+0.07)"
};

// Of the rows of a step. Reads the whole checkpoint once, matrix by matrix; products have the same precision in both. Precondition:
// session.quantized_on_load(), rows not empty.
QuantizationLoss measure_quantization(const Session& session, const std::vector<const Example*>& rows,
                                      const ForestOptions& forests);

}  // namespace lora
