// All examples of an evaluation behind a search field and filters. The page holds them as data, and a script puts those
// of one page of the list into elements, always as text: so thousands open at once, and nothing in them can become
// markup.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "report/evaluation_record.h"

namespace lora {

// The section: controls, an empty list and the data. `file` is where the rest is when there are more than `most`.
std::string example_browser_html(const EvaluationRecord& evaluation, size_t most, std::string_view file);

// The script that it needs, once a page.
std::string_view example_browser_script();

}  // namespace lora
