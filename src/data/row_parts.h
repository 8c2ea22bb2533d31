// A row seen as a question and an answer, for the checks that compare rows. A plain-text row is all question.
#pragma once

#include <cstdint>
#include <vector>

#include "data/conversation.h"

namespace lora {

// Words (data/words.h) of the user's and the tools' turns; of the assistant's turns and calls.
void append_question_words(const Conversation& row, std::vector<uint32_t>& out);
void append_answer_words(const Conversation& row, std::vector<uint32_t>& out);

// Hash of the words of everything before message `end` and of the tools: equal for what a model would be asked alike.
// A plain-text row gives the hash of its text. Where no one has asked yet, the answers count too.
uint64_t context_hash(const Conversation& row, size_t end);
// context_hash(row, end) for every end from 0 to the number of messages. Linear in the row.
std::vector<uint64_t> context_hashes(const Conversation& row);
// Contexts of the answers that are learned from this row, in their order; where there is none, of the last answer.
std::vector<uint64_t> learned_contexts(const Conversation& row);
// Of the system prompt and tools alone.
uint64_t instructions_hash(const Conversation& row);
// Index of the last assistant message; the number of messages when there is none.
size_t last_answer(const Conversation& row);

}  // namespace lora
