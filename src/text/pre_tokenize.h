// Cuts normalized text into the pieces that byte pair encoding works on.
#pragma once

#include <vector>

#include "text/normalized_text.h"
#include "text/vocabulary.h"

namespace lora {

// Runs the steps in order; each cuts the pieces of the one before. May insert characters into `text`; the ranges are
// of `text` as it is afterwards. `first`: the text starts at the start of the input (PrependScheme::kFirst).
std::vector<ByteRange> pre_tokenize(NormalizedText& text, const std::vector<PreTokenizer>& steps, bool first);

}  // namespace lora
