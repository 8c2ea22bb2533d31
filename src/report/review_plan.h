// A blinded review: which examples people are asked about, in which order, and whose answer stands left. All of it
// follows from the answers and a seed, so the page need not hold it and the votes can be read back. Not the page, and
// not the counting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "report/evaluation_record.h"

namespace lora {

struct ReviewOptions {
  std::string a = "base", b = "tuned";
  uint64_t seed = 0;
};

struct ReviewItem {
  size_t example = 0;  // index into EvaluationRecord::examples
  bool a_is_left = false;
};

struct ReviewPlan {
  ReviewOptions options;
  std::string key;  // names the review: 16 hex digits of the answers, the contestants and the seed
  std::vector<ReviewItem> items;
  size_t identical = 0;  // examples that both answered alike: nobody is asked about them
};

// Errors: kInput when a contestant is unknown or both are one, or no answers differ.
ReviewPlan plan_review(const EvaluationRecord& evaluation, const ReviewOptions& options);

}  // namespace lora
