// The data doctor: reads a data file once, lists what would spoil a fine-tune on it, and sums up what it holds.
// Structural findings are made here and in row_reader; everything about meaning and other rows is a DataCheck.
// Changes nothing: repair is mend.h's business, converting convert.h's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "data/checks/check.h"
#include "data/finding.h"
#include "data/line_source.h"
#include "data/row_reader.h"

namespace lora {

// Tokens of a row and what a limit would do to it.
struct TokenCount {
  size_t tokens = 0;
  size_t answers_cut = 0;  // assistant turns that do not end within the limit
};
// Counts exactly, as the model's renderer does. May throw Error for a row that cannot be rendered.
using CountTokens = std::function<TokenCount(const Conversation& conversation, size_t max_seq_length)>;
// Without a model: from the letters, within about a fifth for English.
TokenCount estimate_tokens(const Conversation& conversation, size_t max_seq_length);

struct CheckOptions {
  RowOptions rows = {.kind = RowKind::kTraining,
                     .chat_only = false,
                     .text_field = "text",
                     .find_control_token = find_known_control_token};
  size_t max_seq_length = 2048;
  CountTokens count_tokens = {};       // empty: estimate_tokens, marked as an estimate
  std::set<std::string> ignored = {};  // codes
  size_t threads = 0;                  // 0: as the machine has, at most 4; the findings do not depend on it
};

struct CheckSummary {
  std::string name;    // of the source
  uint64_t bytes = 0;  // read, unpacked
  size_t lines = 0;
  size_t rows = 0;                            // lines that are not blank
  size_t readable = 0;                        // rows that the checks saw
  std::array<size_t, kRowFormats> formats{};  // readable rows of each
  size_t messages = 0, answers = 0, golden = 0;
  uint64_t tokens = 0;  // of the readable rows
  bool tokens_estimated = true;
  size_t too_long = 0, answers_cut = 0;
  size_t errors = 0, warnings = 0, notes = 0;
};

struct CheckReport {
  std::vector<Finding> findings;  // by line and column
  CheckSummary summary;
};

// Reads all of `source` and shows every readable row to each of `checks`, in order. With checks, `source` must have
// been opened with keep_for_rereading (or be a plain file). Errors: kInput for an unknown code in `ignored` and as
// LineSource; an Error of a check.
CheckReport check_data(LineSource& source, const CheckOptions& options,
                       std::span<const std::unique_ptr<DataCheck>> checks = {});

}  // namespace lora
