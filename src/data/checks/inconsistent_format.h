// `inconsistent-format`: an answer in another form than its like. Answers are compared under one system prompt; where
// a system prompt covers several tasks, under questions that begin alike. Only a clear minority inside an otherwise
// uniform group is named, never a task of its own, and never what the question or the system prompt asks for.
#pragma once

#include <memory>

#include "data/checks/check.h"

namespace lora {

std::unique_ptr<DataCheck> make_inconsistent_format_check();

}  // namespace lora
