// What `lora check` does, from a path to a report: the doctor with all its checks, held-out and golden files beside it,
// and the repaired or converted copy. Prints nothing and knows no model: token counts and control tokens are handed in.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/convert.h"
#include "data/coverage.h"
#include "data/doctor.h"
#include "data/mend.h"
#include "data/near_groups.h"

namespace lora {

struct FullCheckOptions {
  std::string data;              // a file, or "-"
  std::string against;           // held-out rows, or empty
  std::string golden;            // golden rows in a file of their own, or empty
  std::string fix;               // where the repaired copy goes, or empty
  std::string convert;           // where the converted copy goes, or empty
  bool summarize = false;        // also sum up what the data holds, for the page
  bool structural_only = false;  // row by row only: no check that compares rows or reads their meaning
  CheckOptions check = {};
};

struct FullCheck {
  CheckReport report;
  std::optional<DataSummary> data;
  NearGroups near_groups;  // filled with `summarize`
  std::optional<MendReport> mended;
  std::optional<ConvertReport> converted;
};

// Errors: kInput when a file does not exist, is of a format that is not read, or an output exists already; kMachine.
// Nothing is written unless all of it could be.
FullCheck full_check(const FullCheckOptions& options);

// One of each check of src/data/checks that needs nothing but the data.
// `groups`: where the near-duplicate check leaves its groups for the page; may be null.
std::vector<std::unique_ptr<DataCheck>> make_data_checks(NearGroups* groups = nullptr);

// The readable rows of a file, whatever is wrong with the others. Errors: as LineSource.
std::vector<Conversation> readable_rows(const std::string& path, const RowOptions& options);

}  // namespace lora
