// Checks that rows of data bring themselves, in their key "checks": an array of objects with the keys of [[check]]
// (docs/checks.md). Those of one name are one metric, over the rows that bring it, each row with its own arguments.
#pragma once

#include <span>
#include <string>

#include "data/conversation.h"
#include "eval/check_declaration.h"

namespace lora {

// `declared` and what `rows` bring. May be called again with further rows. `source` names their file in errors. A row is
// data, which may come from anywhere: it cannot name files or commands, nor decide what decides.
// Errors: kInput with source:line: as checks_of_toml(); a name that [[check]] has too; a name twice in a row, or of
// another type in another row; type metric_command; a key that a row may not have.
DeclaredChecks with_row_checks(DeclaredChecks declared, std::span<const Conversation> rows,
                               const std::string& source);

}  // namespace lora
