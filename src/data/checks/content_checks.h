// All checks of what rows say, as against how they are written and whether they stand twice.
#pragma once

#include <memory>
#include <vector>

#include "data/checks/check.h"

namespace lora {

// inconsistent-format, no-negative-examples, low-diversity, language-mix, mojibake, possible-secret,
// possible-personal-data. (golden-problem comes last: golden_problem.h.)
std::vector<std::unique_ptr<DataCheck>> make_content_checks();

}  // namespace lora
