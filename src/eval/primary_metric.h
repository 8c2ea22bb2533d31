// The one metric that decides, chosen from the reference answers before any model was asked.
#pragma once

#include <span>
#include <string>

namespace lora {

struct PrimaryMetric {
  std::string name;  // in reports: "correct", or "format" where content cannot be verified
  std::string
      check;  // what make_check is to be given: json_fields, normalized_exact; "format": see learned_format.h
  std::string why;  // a sentence for the user
};

// At least 95 % of the answers are JSON objects or arrays: all fields right. At least 95 % have at most 5
// words: normalised exact match. Else the format alone, and `why` says that the content needs a judge or
// people. Errors: kInput when there are no answers.
PrimaryMetric choose_primary_metric(std::span<const std::string> reference_answers);

}  // namespace lora
