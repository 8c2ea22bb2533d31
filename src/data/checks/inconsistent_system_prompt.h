// `inconsistent-system-prompt`: a system prompt that is a slip of one that most rows have (typing errors, white space,
// punctuation, a word), or a row without one where nearly all have one. Deliberate variety is not a slip: several
// prompts that are each common, prompts with a place to fill in (a date, a name), prompts of their own for every row.
#pragma once

#include <memory>

#include "data/checks/check.h"

namespace lora {

std::unique_ptr<DataCheck> make_inconsistent_system_prompt_check();

}  // namespace lora
