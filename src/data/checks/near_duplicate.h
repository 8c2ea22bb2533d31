// `near-duplicate`: a row that teaches what another row teaches (data/twin_rows.h says what counts). Also the part of
// `golden-problem` that concerns golden rows of the file itself: none may equal or nearly equal another row.
#pragma once

#include <cstddef>
#include <memory>

#include "data/checks/check.h"
#include "data/near_groups.h"

namespace lora {

// `memory_budget`: bytes of words held before they go to a temporary file. `groups`, when given, is filled at the end
// for the page, and must outlive the check.
std::unique_ptr<DataCheck> make_near_duplicate_check(NearGroups* groups = nullptr,
                                                     size_t memory_budget = size_t{32} << 20);

}  // namespace lora
