// What the judge is asked: two answers side by side, or one answer by criteria. The text is our own; whatever is judged
// stands between marks that it cannot know, so that an answer cannot pass for an instruction.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/conversation.h"

namespace lora {

enum class JudgeMode { kPairwise, kRubric };

struct JudgeRubric {
  JudgeMode mode = JudgeMode::kPairwise;
  std::string text = {};             // what counts, in the user's words; empty: a general text
  std::vector<std::string> criteria  // scored from 1 to 5 each; with kRubric
      {"correctness", "follows the instructions", "clarity"};
  bool show_reference = true;  // the judge sees the held-out answer
};

// What was asked of the model that is judged, and the answer that the data has.
struct JudgeQuestion {
  std::vector<Message> messages;
  std::string reference;
};

// Two answers, the first and the second as they are shown. The judge is to end with "Verdict: 1", "Verdict: 2" or
// "Verdict: tie".
std::vector<Message> pairwise_prompt(const JudgeRubric& rubric, const JudgeQuestion& question,
                                     std::string_view first, std::string_view second);

// One answer. The judge is to end with a line "criterion: score" for each criterion, which it is given in reverse order when
// `turned`: what an answer gets must not hang on which criterion comes first.
std::vector<Message> rubric_prompt(const JudgeRubric& rubric, const JudgeQuestion& question,
                                   std::string_view answer, bool turned);

// `messages`, the judge's answer without a verdict, and the request to give one.
std::vector<Message> ask_again(std::vector<Message> messages, const JudgeRubric& rubric,
                               std::string_view answer);

// SHA-256 of the prompt without any question or answer: equal when two judgements asked alike.
std::string prompt_hash(const JudgeRubric& rubric);

}  // namespace lora
