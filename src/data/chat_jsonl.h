// Data files whole: read strictly, and written as chat JSON Lines, one {"messages": [{"role": …, "content": …}, …]} a
// line, as TRL and the OpenAI API take it (docs/formats/data.md). The first bad row ends the job with an Error that
// says file:line:col (column in characters, from 1), what is there and how to mend it; nothing is skipped. Knows no
// tokens: over-length rows and control tokens inside a text are for whoever holds the tokenizer.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "data/conversation.h"
#include "data/line_source.h"
#include "data/row_reader.h"

namespace lora {

// Rows to train on or to be judged by: an optional system message, then user and assistant in turn (tool
// messages may follow an assistant's), at least one assistant turn, the last message the assistant's, no
// assistant turn empty. Blank lines may stand at the end only. The file may be gzip. Errors: kInput as above,
// for other formats (each by name) and for an empty file; kMachine when it is unreadable.
std::vector<Conversation> read_chat_jsonl(const std::filesystem::path& path);

// Rows to generate from: as above, but the last message may be the user's.
std::vector<Conversation> read_prompts_jsonl(const std::filesystem::path& path);

// The same on text in memory; `name` stands for the file in errors.
std::vector<Conversation> parse_chat_jsonl(std::string_view text, std::string_view name, RowKind kind);

// Rows of every format that the row reader knows, as strictly.
struct RowsRead {
  std::vector<Conversation> rows;
  std::array<size_t, kRowFormats> formats{};  // rows of each format
  // One sentence for the user: which formats, and that every token of plain-text rows is learned from.
  std::string said;
};
RowsRead read_rows(const std::filesystem::path& path, const RowOptions& options = {});
std::string formats_in_words(const std::array<size_t, kRowFormats>& formats);

// One row as a line without its line break: {"messages":[{"role":…,"content":…}]}, with tools, weight, golden and
// tags where they are set; plain text as {"text":…}. Reading it again gives the same conversation.
std::string chat_jsonl_line(const Conversation& conversation);

// Writes all rows atomically. Errors: kInput when content is not UTF-8 or the file exists (kRefuse),
// kMachine.
void write_chat_jsonl(const std::filesystem::path& path, const std::vector<Conversation>& conversations,
                      IfExists if_exists = IfExists::kRefuse);

}  // namespace lora
