// RowBuilder: the formats that are not lists of messages.
#include <fmt/format.h>

#include "data/row_formats.h"

namespace lora {

bool RowBuilder::read_alpaca() {
  bool good = true;
  if (const size_t system = tape_.find(0, "system"); system && type(system) != JsonType::kNull)
    if (type(system) != JsonType::kString || tape_[system].end - tape_[system].begin > 2)
      good = add_string_message(system, "system", "system");
  if (const size_t history = tape_.find(0, "history"); history && type(history) != JsonType::kNull)
    good = read_history(history) && good;
  good = add_string_message(tape_.find(0, "instruction"), "instruction", "user") && good;
  const size_t input = tape_.find(0, "input");
  if (input && type(input) == JsonType::kString) {
    std::string& content = row_.conversation.messages[messages_made_ - 1].content;
    const std::string more = tape_.string(input);
    if (!is_blank(more)) {
      if (!is_blank(content)) content += "\n\n";
      row_.places.add_piece(content.size(), begin(input));
      content += more;
    }
  } else if (input && type(input) != JsonType::kNull) {
    problem("non-string-content", begin(input), fmt::format("\"input\" is {}", type_in_words(input)),
            "a string", "Put it in double quotes.");
    good = false;
  }
  const size_t output = tape_.find(0, "output");
  if (output) return add_string_message(output, "output", "assistant") && good;
  problem("no-assistant", begin(0), "a row with \"instruction\" and without \"output\"",
          "at least one answer to learn from", "Add the answer that the model should give.");
  return false;
}

bool RowBuilder::read_history(size_t value) {
  const auto refuse = [&](size_t node) {
    problem("invalid-value", begin(node), fmt::format("in \"history\" stands {}", type_in_words(node)),
            R"([["question", "answer"], …])", "");
    return false;
  };
  if (type(value) != JsonType::kArray) return refuse(value);
  for (size_t turn = value + 1; turn < tape_[value].after; turn = tape_[turn].after) {
    if (type(turn) != JsonType::kArray || tape_[turn].count != 2) return refuse(turn);
    const size_t question = turn + 1, answer = tape_[question].after;
    if (!add_string_message(question, "history", "user") ||
        !add_string_message(answer, "history", "assistant"))
      return false;
  }
  return true;
}

bool RowBuilder::read_prompt_completion() {
  bool good = true;
  if (const size_t system = tape_.find(0, "system"); system && type(system) == JsonType::kString)
    if (tape_[system].end - tape_[system].begin > 2) good = add_string_message(system, "system", "system");
  good = read_prompt_part(tape_.find(0, "prompt"), "user") && good;
  const size_t completion = tape_.find(0, "completion");
  if (completion) return read_prompt_part(completion, "assistant") && good;
  if (options_.kind == RowKind::kPrompt) return good;
  problem("no-assistant", begin(0), "a row with \"prompt\" and without \"completion\"",
          "at least one answer to learn from", "Add the answer that the model should give.");
  return false;
}

// TRL: both are strings, or lists of messages; only the completion's answers are learned from.
bool RowBuilder::read_prompt_part(size_t value, std::string_view role) {
  const bool is_completion = role == "assistant";
  if (type(value) == JsonType::kArray) {
    if (tape_[value].count > 0) return read_messages(value, is_completion);
    problem("missing-messages", begin(value), fmt::format("\"{}\" is empty", tape_.string(value - 1)),
            "at least one message", "Add it, or remove the row.");
    return false;
  }
  return add_string_message(value, tape_.string(value - 1), role);
}

bool RowBuilder::read_text() {
  const size_t value = tape_.find(0, options_.text_field);
  row_.places.begin_message(begin(value));
  content_at_.push_back(begin(value));
  if (type(value) != JsonType::kString) {
    problem("non-string-content", begin(value),
            fmt::format("{} is {}", as_quoted(options_.text_field), type_in_words(value)), "a string",
            "Put it in double quotes.");
    return false;
  }
  row_.places.add_piece(0, begin(value));
  tape_.string(value, row_.conversation.text);
  return true;
}

}  // namespace lora
