// `no-negative-examples`: no answer under a system prompt says no. A model that never saw a refusal, an "I don't know"
// or a null will make something up.
#pragma once

#include <memory>

#include "data/checks/check.h"

namespace lora {

std::unique_ptr<DataCheck> make_no_negative_examples_check();

}  // namespace lora
