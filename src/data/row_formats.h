// How each format of a row becomes a Conversation: an inner part of row_reader. Keys and rules: docs/formats/data.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/json_tape.h"
#include "data/row_reader.h"

namespace lora {

// Builds one row out of a line's JSON. `row` must have been emptied; the tape's root is an object.
class RowBuilder {
 public:
  // `role_at` and `content_at` are room to work in, used from row to row.
  RowBuilder(const JsonTape& tape, const RowOptions& options, ReadRow& row, std::vector<size_t>& role_at,
             std::vector<size_t>& content_at)
      : tape_(tape), options_(options), row_(row), role_at_(role_at), content_at_(content_at) {
    role_at.clear();
    content_at.clear();
  }
  void build();

 private:
  // Which format the keys of the row say; nothing when none (then problems say so).
  std::optional<RowFormat> recognise();
  void refuse_other_formats(RowFormat format);
  void say_no_format();
  void read_row_keys(RowFormat format);
  void read_row_key(RowFormat format, size_t key, std::string_view name);

  // Message lists of every format. `train_answers`: false for those of a prompt.
  bool read_messages(size_t list, bool train_answers);
  bool read_message(size_t node, bool train_answers);
  bool read_role(size_t node, size_t value, bool from);
  bool read_content(size_t node, size_t value, bool has_calls);
  void read_message_keys(size_t node, bool from);
  void read_calls(size_t value);
  bool read_function_call(size_t value);
  bool read_chat();
  bool read_alpaca();
  bool read_history(size_t value);
  bool read_prompt_completion();
  bool read_prompt_part(size_t value, std::string_view role);
  bool read_text();

  // A message out of a string at `value`.
  Message& add_message(size_t offset, std::string_view role);
  bool take_string(size_t value, std::string_view key);
  bool add_string_message(size_t value, std::string_view key, std::string_view role);
  std::optional<std::string> json_list(size_t value) const;

  void check_turns();
  void check_contents();
  void check_content(size_t message, std::string_view text, bool plain_text);

  JsonType type(size_t node) const { return tape_[node].type; }
  size_t begin(size_t node) const { return tape_[node].begin; }
  std::string type_in_words(size_t node) const;
  RowProblem& problem(std::string_view code, size_t offset, std::string found, std::string expected,
                      std::string fix);

  const JsonTape& tape_;
  const RowOptions& options_;
  ReadRow& row_;
  size_t source_ = 0;                          // node of the list of messages, or of the row
  size_t messages_made_ = 0;                   // of conversation.messages, whose buffers are used again
  std::vector<size_t>&role_at_, &content_at_;  // offsets, per message
};

// `text` in quotes for a message, not longer than a line.
std::string as_quoted(std::string_view text);
// "Did you mean …?", or `otherwise` when there is no near word.
std::string did_you_mean(std::string_view nearest, std::string_view otherwise);
// Nothing that can be seen: white space, control and zero-width characters of Unicode.
bool is_blank(std::string_view text);
// An example of a row, for messages.
extern const std::string_view kRowShape;

}  // namespace lora
