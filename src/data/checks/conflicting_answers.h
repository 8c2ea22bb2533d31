// `conflicting-answers`: the same question in the same context (system prompt, tools, earlier turns) with another
// answer. Case, white space and punctuation do not make questions differ; answers that hold the same JSON value, the
// same number or the same words do not conflict, however they are written (that is `inconsistent-format`).
#pragma once

#include <memory>

#include "data/checks/check.h"

namespace lora {

std::unique_ptr<DataCheck> make_conflicting_answers_check();

}  // namespace lora
