// Chat JSON Lines: one {"messages": [{"role": …, "content": …}, …]} a line, as TRL and the OpenAI API take
// it. Strict: the first bad row ends the job with an Error that says file:line:col (column in characters,
// from 1), what is there and how to mend it. Other formats are recognised by name and refused; nothing is
// converted or skipped here. Knows no tokens: over-length rows and control tokens inside a text are for
// whoever holds the tokenizer.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "data/conversation.h"

namespace lora {

// Longest line that is read, in bytes: a longer one is rather a file of another format.
constexpr size_t kMaxLineBytes = size_t{16} << 20;

enum class RowKind {
  kTraining,  // ends in an assistant turn
  kPrompt,    // may end in a user (or tool) turn: something to answer
};

// Rows to train on or to be judged by: an optional system message, then user and assistant in turn (tool
// messages may follow an assistant's), at least one assistant turn, the last message the assistant's, no
// assistant turn empty. Blank lines may stand at the end only. Errors: kInput as above, and for an empty
// file; kMachine when it is unreadable.
std::vector<Conversation> read_chat_jsonl(const std::filesystem::path& path);

// Rows to generate from: as above, but the last message may be the user's.
std::vector<Conversation> read_prompts_jsonl(const std::filesystem::path& path);

// The same on text in memory; `name` stands for the file in errors.
std::vector<Conversation> parse_chat_jsonl(std::string_view text, std::string_view name, RowKind kind);

// One row as a line without its line break: {"messages":[{"role":…,"content":…}]}, with "golden":true where
// it is set.
std::string chat_jsonl_line(const Conversation& conversation);

// Writes all rows atomically. Errors: kInput when content is not UTF-8 or the file exists (kRefuse),
// kMachine.
void write_chat_jsonl(const std::filesystem::path& path, const std::vector<Conversation>& conversations,
                      IfExists if_exists = IfExists::kRefuse);

}  // namespace lora
