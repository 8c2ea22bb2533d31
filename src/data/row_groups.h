// Which rows belong together, so that a split never parts them: near duplicates, answers to the same question,
// conversations that begin alike. Says nothing about sides; split.h does.
#pragma once

#include <cstdint>
#include <vector>

#include "data/conversation.h"

namespace lora {

// A number per row; rows with equal numbers belong together:
//   - twins (data/twin_rows.h);
//   - the same question in the same context, whatever the answer;
//   - the same user texts after folding case (ASCII), white space and digits. Numbers are the content of some data
//     ("What is 12 + 7?"): where folding digits would put more than 5 % of the rows (and more than 10) into one group,
//     that group is told apart by its digits after all;
//   - a row and those in which its question, with what leads to it, is asked before their last turn. A question of less
//     than 12 words, or one that more than 5 % of the rows and more than 10 are asked so, ties nothing (split.h then
//     never holds it out);
//   - conversations of which one goes on and that share their first exchange (question and answer). An exchange of less
//     than 12 words, or one that more than 5 % of the rows and more than 10 share, ties nothing: then the next one counts.
// A number is a hash of a row of the group, so it does not depend on the order of the rows.
std::vector<uint64_t> near_duplicate_groups(const std::vector<Conversation>& rows);

// Hash of all that the model sees of a row, exactly: roles, contents, calls, tools, text.
uint64_t content_hash(const Conversation& conversation);

// Hash of the user's words after the folding above; of a row in which no one asks, its content_hash.
uint64_t user_text_hash(const Conversation& row, bool fold_digits);

}  // namespace lora
