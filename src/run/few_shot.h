// The contestant that costs no training: the base, shown examples of the training rows in its prompt. Which examples, and
// how many; asking and judging are evaluate.h's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/conversation.h"

namespace lora {

class FewShotExamples {
 public:
  // Candidates are the rows of one question and one answer, and no tools. Their order hangs on content and seed alone;
  // answers that were not seen yet come first, so that every label is shown before one is shown twice.
  FewShotExamples(const std::vector<Conversation>& training_rows, uint64_t seed);

  // All turns of `row` before its last answer, with up to `k` examples of its system prompt between the system message
  // and the first question.
  std::vector<Message> prompt(const Conversation& row, size_t k) const;

  // Whether any row of `rows` has an example to be shown.
  bool any_for(const std::vector<Conversation>& rows) const;

 private:
  std::map<std::string, std::vector<std::vector<Message>>> by_system_prompt_;  // "" where there is none
};

// The numbers of examples that are tried, ascending; the one that does best on rows that are neither trained nor judged
// on is taken.
constexpr size_t kFewShotTried[] = {3, 8};
// Where not even the first of them fits the model's context: the first of these that does.
constexpr size_t kFewShotAtLeast[] = {2, 1};

}  // namespace lora
