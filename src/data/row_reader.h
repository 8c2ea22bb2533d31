// THE reader of rows: one line of a data file, in any of the known formats, to a Conversation, with everything that is
// wrong with it. The strict readers (chat_jsonl.h) stop at the first problem; the doctor (doctor.h) lists all.
// Formats and keys: docs/formats/data.md. Knows no files, no tokens, no other rows.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/control_tokens.h"
#include "data/conversation.h"
#include "data/finding.h"
#include "data/json_tape.h"

namespace lora {

enum class RowKind {
  kTraining,  // ends in an assistant turn
  kPrompt,    // may end in a user (or tool) turn: something to answer
};

enum class RowFormat {
  kChat,              // {"messages": [{"role": …, "content": …}]}
  kShareGpt,          // {"conversations": [{"from": …, "value": …}]}
  kAlpaca,            // {"instruction": …, "input": …, "output": …}
  kPromptCompletion,  // {"prompt": …, "completion": …}, strings or lists of messages
  kText,              // {"text": …}: every token is supervised
};
inline constexpr size_t kRowFormats = 5;
std::string_view format_name(
    RowFormat format);  // "chat", "ShareGPT", "Alpaca", "prompt/completion", "plain text"

// One thing that is wrong with a row.
struct RowProblem {
  std::string_view code;  // a row of finding_codes()
  size_t offset = 0;      // byte of the line's text
  std::string found, expected, fix;
  bool refused = true;                    // a strict reader stops here; false: only the doctor speaks of it
  std::optional<Severity> severity = {};  // when it is not the code's own
  // As a finding's sentence: what is there and what should be.
  std::string message() const;
};

struct RowOptions {
  RowKind kind = RowKind::kTraining;
  bool chat_only = false;           // other formats are a problem (missing-messages) in place of being read
  std::string text_field = "text";  // dataset_text_field: the key of plain-text rows
  FindControlToken find_control_token = {};  // empty: no search
};

// Where messages' contents stand in the line, for columns.
class RowPlaces {
 public:
  void clear() {
    messages_.clear();
    pieces_.clear();
  }
  void begin_message(size_t offset) { messages_.push_back({offset, pieces_.size()}); }
  // From byte `from` of the current message's content on, the content is the JSON string that opens at `quote`.
  void add_piece(size_t from, size_t quote) { pieces_.push_back({from, quote}); }

  // Byte of `line` where byte `offset` of message `message`'s content stands (0 for a message that does not exist).
  size_t offset_of(std::string_view line, size_t message, size_t offset) const;

 private:
  struct MessageAt {
    size_t offset, first_piece;
  };
  struct Piece {
    size_t from, quote;
  };
  std::vector<MessageAt> messages_;
  std::vector<Piece> pieces_;
};

struct ReadRow {
  Conversation conversation;
  RowFormat format = RowFormat::kChat;
  // The conversation holds what the line says, whatever else is wrong with it. False: not JSON, no known format, or
  // parts that are not text.
  bool readable = false;
  bool refused = false;  // some problem is `refused`
  std::vector<RowProblem> problems;
  RowPlaces places;
  std::vector<Message> spare;  // buffers of messages that earlier rows had and this one has not
};

class RowReader {
 public:
  explicit RowReader(RowOptions options = {});

  // Reads the text of one line (never blank, no byte order mark) into `row`, whose buffers are used again.
  void read(std::string_view text, size_t line, ReadRow& row);

  const RowOptions& options() const { return options_; }

 private:
  RowOptions options_;
  JsonTape tape_;
  std::vector<size_t> role_at_, content_at_;  // lent to RowBuilder
};

// Column, in characters from 1, of byte `offset` of `text`.
size_t column_of(std::string_view text, size_t offset);

}  // namespace lora
