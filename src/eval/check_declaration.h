// Checks as users declare them: [[check]] tables of a configuration or of a file of their own (TOML, or JSON with the
// same keys). docs/checks.md lists types and keys. Reading only: what a check does is in check_types.h.
#pragma once

#include <toml++/toml.h>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/conversation.h"
#include "eval/check_options.h"
#include "eval/checks.h"

namespace lora {

struct DeclaredCheck {
  std::string name;  // as metrics are called; the type where the user gave none
  std::string type;
  bool primary = false;
  std::string system = {};           // applies to rows with this system prompt and no other; "": to all
  std::string system_contains = {};  // applies to rows whose system prompt contains this; "": to all
  std::string tag = {};              // applies to rows that have this tag; "": to all
  std::string place = {};            // file:line:col
  std::shared_ptr<const Check> check = {};  // of rows' own checks the first: it tells the kind
  // Where rows bring it (row_checks.h): what a row brings, as text, and its check of this name.
  std::map<std::string, std::shared_ptr<const Check>> by_row = {};

  bool is_of_rows() const { return !by_row.empty(); }
  bool applies_to(const Conversation& row) const;
  // The check that judges answers to `row`, to which it must apply.
  const Check& of(const Conversation& row) const;
};

// All checks of one declaration. `tables` keeps what was written, and the hash of a schema's file, for run.json.
struct DeclaredChecks {
  std::vector<DeclaredCheck> checks;
  nlohmann::json tables = nlohmann::json::array();

  bool empty() const { return checks.empty(); }
};

// The [[check]] tables of a TOML file that was read already. Paths of files (schema_file, command) are relative to
// `file`'s folder. Errors: kInput at file:line:col for an unknown type or key, a wrong value, a name given twice, two
// primary checks.
DeclaredChecks checks_of_toml(const toml::node& node, const std::filesystem::path& file);

// A file that holds only checks: TOML with [[check]] tables, or JSON: an array of such objects, or {"check": […]}.
DeclaredChecks read_checks_file(const std::filesystem::path& file);

// The same from tables, wherever they come from.
DeclaredChecks make_checks(const std::vector<CheckTable>& tables, const std::filesystem::path& folder);

}  // namespace lora
