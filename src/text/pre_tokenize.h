// Cuts normalized text into the pieces that the tokenizer's model works on.
#pragma once

#include <vector>

#include "text/normalized_text.h"
#include "text/steps.h"

namespace lora {

// Runs the steps in order; each cuts the pieces of the one before. May insert characters into `text`; the ranges are of
// `text` as it is afterwards. Errors: kInput when a pattern runs away.
std::vector<ByteRange> pre_tokenize(NormalizedText& text, const std::vector<PreTokenizer>& steps);

}  // namespace lora
