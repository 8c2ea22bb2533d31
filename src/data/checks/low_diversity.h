// `low-diversity`: most answers are equal, or begin with the same words, or the questions hardly use different words. One
// finding for each system prompt and kind. Labels, JSON and templates of instructions are alike by nature and are only
// named when one answer stands for nearly all.
#pragma once

#include <memory>

#include "data/checks/check.h"

namespace lora {

std::unique_ptr<DataCheck> make_low_diversity_check();

}  // namespace lora
