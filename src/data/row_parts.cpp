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

std::vector<uint64_t> context_hashes(const Conversation& row) {
  if (row.is_plain_text()) return {words_hash(row.text, 1)};
  std::vector<uint64_t> hashes{row.tools.empty() ? 2 : words_hash(row.tools, 2)};
  hashes.reserve(row.messages.size() + 1);
  for (const Message& message : row.messages) {
    uint64_t hash = words_hash(message.content, words_hash(message.role, hashes.back()));
    if (!message.tool_calls.empty()) hash = words_hash(message.tool_calls, hash);
    hashes.push_back(hash);
  }
  // Until someone has asked there is nothing that two rows could be asked alike.
  const auto first = std::find_if(row.messages.begin(), row.messages.end(),
                                  [](const Message& m) { return m.role == "user" || m.role == "tool"; });
  const uint64_t whole = hashes.back();
  std::fill_n(hashes.begin(), first - row.messages.begin() + 1, whole);
  return hashes;
}

uint64_t context_hash(const Conversation& row, size_t end) {
  return context_hashes(row)[end];
}

std::vector<uint64_t> learned_contexts(const Conversation& row) {
  std::vector<uint64_t> contexts = context_hashes(row);
  size_t kept = 0;
  for (size_t i = 0; i < row.messages.size(); ++i)
    if (row.messages[i].role == "assistant" && row.messages[i].train) contexts[kept++] = contexts[i];
  if (kept == 0) contexts[kept++] = contexts[last_answer(row)];
  contexts.resize(kept);
  return contexts;
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
