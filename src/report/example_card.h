// One example as people look at it: the question, the reference and every answer beside it, differences marked.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "report/evaluation_record.h"
#include "report/text_marks.h"

namespace lora {

// A text that is longer than a page can bear is cut, and says so.
struct ShownText {
  std::string text;     // visible_text()
  size_t left_out = 0;  // characters
};
ShownText shown_text(std::string_view text, size_t most_characters);

// The last user turn, or what stands in its place.
std::string_view asked(const AskedExample& example);

// An <article>. Answers are marked where they differ from the reference.
std::string example_card_html(const EvaluationRecord& evaluation, const AskedExample& example,
                              MarkBudget& budget);

}  // namespace lora
