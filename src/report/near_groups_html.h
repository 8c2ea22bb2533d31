// Groups of near-duplicate rows for the page of the data doctor: each row's question and answer under one another, the
// words marked in which they differ.
#pragma once

#include <string>

#include "data/near_groups.h"

namespace lora {

// Empty without a group.
std::string near_groups_html(const NearGroups& groups);
// What the marks look like, for html_page().
extern const std::string_view kNearGroupsStyle;

}  // namespace lora
