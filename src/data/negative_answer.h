// Answers that say no: refusals, "I don't know", null, an empty result. Phrases of some fifteen languages; not a
// classifier of tone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lora {

// The words that a system prompt sets for the case that there is no answer ("otherwise answer UNCLEAR", "select 'no
// data'"): quoted or capital words, and labels named in a sentence about not knowing. Folded.
std::vector<std::string> fallback_words(std::string_view system_prompt);

// Whether an answer refuses, says that it does not know or that something is not stated, or is or holds an empty result:
// JSON with a null or empty field, `{}`, "unknown", "N/A". `fallbacks` as above.
bool is_negative_answer(std::string_view answer, const std::vector<std::string>& fallbacks = {});

}  // namespace lora
