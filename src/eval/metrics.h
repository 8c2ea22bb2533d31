// What an evaluation measures: the metric that decides and those beside it, chosen from what the user declared and from
// the references, before any model was asked.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/conversation.h"
#include "eval/check_declaration.h"
#include "eval/primary_metric.h"

namespace lora {

inline constexpr std::string_view kInstructionFollowing = "instruction_following";
inline constexpr std::string_view kInstructionFollowingLoose = "instruction_following_loose";

// A check with its name and the rows that it applies to.
struct Metric {
  DeclaredCheck check;
  bool declared = false;
};

struct Metrics {
  PrimaryMetric primary;
  std::vector<Metric>
      metrics;  // the primary one first, unless it is kInstructionFollowing, which is made of others

  // Whether the primary metric applies to a row.
  bool decides(const Conversation& row) const;
  bool is_score() const;  // the primary one
};

// Declared checks, when there are any; the primary is the one that is declared so. Without such: what the references call
// for (primary_metric.h); where that is the form alone, the first declared check that is not about form, else all format
// checks together (kInstructionFollowing), else the format that the training answers share. With no declared check, also
// json_valid and exact, to describe. Errors: kInput when the primary metric applies to no row of `test`.
Metrics choose_metrics(const DeclaredChecks& declared, std::span<const Conversation> test,
                       std::span<const Conversation> training_rows);

}  // namespace lora
