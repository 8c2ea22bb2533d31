// A conversation: what one row of a data set holds, whatever format it was written in. Plain text; token ids are made
// in text/.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

struct Message {
  std::string role;             // "system", "user", "assistant" or "tool"
  std::string content;          // UTF-8
  std::string tool_calls = {};  // an assistant's calls: a JSON array as text, or empty
  std::string name = {};        // of the tool that answers, or of the speaker; may be empty
  std::string tool_call_id = {};
  bool train = true;  // false (the file's "weight": 0): an assistant turn that is not learned from

  bool operator==(const Message&) const = default;
};

struct Conversation {
  std::vector<Message> messages;  // empty in a plain-text row
  std::string text = {};          // a plain-text row: no template, every token is supervised
  std::string tools = {};         // definitions of tools for the template: a JSON array as text, or empty
  double weight = 1;              // of this row's tokens in the loss, > 0
  std::vector<std::string> tags = {};
  size_t line = 0;          // line in its file, from 1; 0: not from a file
  bool golden = false;      // marked by the user as one of the flawless examples
  std::string checks = {};  // what its answers are judged by (docs/checks.md): a JSON array as text, or empty

  bool is_plain_text() const { return messages.empty(); }
  bool operator==(const Conversation&) const = default;
};

// The system message that a row begins with; "" when there is none.
inline std::string_view system_prompt(const Conversation& row) {
  const bool given = !row.messages.empty() && row.messages[0].role == "system";
  return given ? std::string_view(row.messages[0].content) : std::string_view();
}

}  // namespace lora
