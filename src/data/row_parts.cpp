#include "data/row_parts.h"

#include <algorithm>

#include "base/hash.h"
#include "data/words.h"

namespace lora {

void append_question_words(const Conversation& row, std::vector<uint32_t>& out) {
  append_word_hashes(row.text, out);
  for (const Message& message : row.messages)
    if (message.role == "user" || message.role == "tool") append_word_hashes(message.content, out);
}

void append_answer_words(const Conversation& row, std::vector<uint32_t>& out) {
  for (const Message& message : row.messages) {
    if (message.role != "assistant") continue;
    append_word_hashes(message.content, out);
    append_word_hashes(message.tool_calls, out);
  }
}

uint64_t context_hash(const Conversation& row, size_t end) {
  if (row.is_plain_text()) return words_hash(row.text, 1);
  uint64_t hash = row.tools.empty() ? 2 : words_hash(row.tools, 2);
  const bool asked = std::any_of(row.messages.begin(), row.messages.begin() + static_cast<ptrdiff_t>(end),
                                 [](const Message& m) { return m.role == "user" || m.role == "tool"; });
  if (!asked) end = row.messages.size();  // nothing that two rows could be asked alike
  for (size_t i = 0; i < end; ++i) {
    const Message& message = row.messages[i];
    hash = words_hash(message.content, words_hash(message.role, hash));
    if (!message.tool_calls.empty()) hash = words_hash(message.tool_calls, hash);
  }
  return hash;
}

uint64_t instructions_hash(const Conversation& row) {
  const bool has_system = !row.messages.empty() && row.messages.front().role == "system";
  const uint64_t tools = row.tools.empty() ? 3 : words_hash(row.tools, 3);
  return has_system ? words_hash(row.messages.front().content, tools) : mix64(tools);
}

size_t last_answer(const Conversation& row) {
  for (size_t i = row.messages.size(); i-- > 0;)
    if (row.messages[i].role == "assistant") return i;
  return row.messages.size();
}

}  // namespace lora
