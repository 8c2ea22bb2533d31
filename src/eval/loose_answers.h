// The loose readings of an answer by which IFEval judges a second time (arXiv 2311.07911, section 3): without its first
// line, its last, both, each also without asterisks. An instruction is followed loosely when one of them follows it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/checks.h"

namespace lora {

// The eight readings, the answer itself first. Equal ones are not left out.
std::vector<std::string> loose_answers(std::string_view answer);

// Whether some reading that is not blank passes.
bool passes_loosely(const Check& check, const CheckInput& input);

}  // namespace lora
