// `duplicate`: a row with the same messages as an earlier one. Keys that do not reach the model (tags, golden) do not
// make rows differ. 16 bytes a row.
#pragma once

#include <memory>

#include "data/checks/check.h"

namespace lora {

std::unique_ptr<DataCheck> make_duplicate_check();

}  // namespace lora
