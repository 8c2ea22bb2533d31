#include "data/chat_jsonl.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/utf8.h"
#include "data/json_text.h"
#include "data/row_formats.h"
#include "data/text_position.h"

namespace lora {
namespace {

[[noreturn]] void refuse_row(std::string_view name, const Line& line, const RowProblem& problem) {
  throw Error::input({.where = place_in_line(name, line.number, line.text, problem.offset),
                      .found = problem.found,
                      .expected = problem.expected,
                      .fix = problem.fix});
}

// What stands at the very beginning: a byte order mark, an array, nothing.
void check_beginning(LineSource& source) {
  const std::string& name = source.name();
  const auto refuse = [&](TextPosition at, std::string found, std::string expected, std::string fix) {
    throw Error::input({.where = fmt::format("{}:{}:{}", name, at.line, at.column),
                        .found = std::move(found),
                        .expected = std::move(expected),
                        .fix = std::move(fix)});
  };
  std::string_view text = source.peek(4096);
  if (text.starts_with("\xEF\xBB\xBF"))
    refuse({}, "the file begins with a byte order mark (BOM)", "UTF-8 without BOM",
           fmt::format("Remove it: tail -c +4 {} > converted.jsonl", name));
  size_t first = text.find_first_not_of(" \t\r\n");
  for (size_t size = 8192; first == std::string_view::npos; size *= 2) {
    const size_t before = text.size();
    text = source.peek(size);
    first = text.find_first_not_of(" \t\r\n");
    if (text.size() == before) break;
  }
  if (first == std::string_view::npos)
    refuse({}, "the file is empty", "one row a line: " + std::string(kRowShape),
           "Write one example on each line.");
  if (text[first] == '[')
    refuse(position_of(text, first), "the file is a JSON array",
           "JSON Lines: one object per line, without brackets and commas around them",
           fmt::format("Convert it: jq -c '.[]' {} > converted.jsonl", name));
}

RowsRead read_source(LineSource& source, const RowOptions& options) {
  check_beginning(source);
  RowsRead read;
  RowReader reader(options);
  ReadRow row;
  size_t blank = 0;  // the first blank line not yet known to be at the end
  for (Line line; source.next(line);) {
    if (line.over_cap())
      throw Error::input({.where = fmt::format("{}:{}:1", source.name(), line.number),
                          .found = fmt::format("the line has {} bytes", line.bytes),
                          .expected = fmt::format("at most {}", kMaxLineBytes),
                          .fix = "Put each example on a line of its own, or shorten it."});
    if (is_blank(line.text)) {
      if (blank == 0) blank = line.number;
      continue;
    }
    if (blank != 0)
      throw Error::input({.where = fmt::format("{}:{}:1", source.name(), blank),
                          .found = "a blank line between rows",
                          .expected = "one row on each line",
                          .fix = "Remove it, and look whether a row was lost here."});
    reader.read(line.text, line.number, row);
    for (const RowProblem& problem : row.problems)
      if (problem.refused) refuse_row(source.name(), line, problem);
    ++read.formats[static_cast<size_t>(row.format)];
    read.rows.push_back(row.conversation);
  }
  read.said = formats_in_words(read.formats);
  return read;
}

std::vector<Conversation> read_chat_file(const std::filesystem::path& path, RowKind kind) {
  LineSource source(path.string());
  return read_source(source, {.kind = kind, .chat_only = true}).rows;
}

void append_message(std::string& out, const Message& message) {
  const auto member = [&](std::string_view key, std::string_view text) {
    out += ",\"";
    out += key;
    out += "\":";
    append_json_string(out, text);
  };
  out += R"({"role":)";
  append_json_string(out, message.role);
  member("content", message.content);
  if (!message.tool_calls.empty()) out += R"(,"tool_calls":)" + message.tool_calls;
  if (!message.name.empty()) member("name", message.name);
  if (!message.tool_call_id.empty()) member("tool_call_id", message.tool_call_id);
  if (!message.train) out += R"(,"weight":0)";
  out += '}';
}

}  // namespace

std::vector<Conversation> parse_chat_jsonl(std::string_view text, std::string_view name, RowKind kind) {
  if (text.starts_with("\x1F\x8B"))
    throw Error::input({.where = fmt::format("{}:1:1", name),
                        .found = "the text is compressed (gzip)",
                        .expected = "JSON Lines as plain text",
                        .fix = "Unpack it first."});
  LineSource source(text, std::string(name));
  return read_source(source, {.kind = kind, .chat_only = true}).rows;
}

std::vector<Conversation> read_chat_jsonl(const std::filesystem::path& path) {
  return read_chat_file(path, RowKind::kTraining);
}

std::vector<Conversation> read_prompts_jsonl(const std::filesystem::path& path) {
  return read_chat_file(path, RowKind::kPrompt);
}

RowsRead read_rows(const std::filesystem::path& path, const RowOptions& options) {
  LineSource source(path.string());
  return read_source(source, options);
}

std::string formats_in_words(const std::array<size_t, kRowFormats>& formats) {
  std::string words;
  for (size_t i = 0; i < kRowFormats; ++i) {
    if (formats[i] == 0) continue;
    words += fmt::format("{}{} row{} in {} format", words.empty() ? "" : ", ", formats[i],
                         formats[i] == 1 ? "" : "s", format_name(static_cast<RowFormat>(i)));
    if (static_cast<RowFormat>(i) == RowFormat::kText)
      words += " (every token is learned from, no chat template is applied)";
  }
  return words;
}

std::string chat_jsonl_line(const Conversation& conversation) {
  std::string out;
  if (conversation.is_plain_text()) {
    out += R"({"text":)";
    append_json_string(out, conversation.text);
  } else {
    out += R"({"messages":[)";
    for (size_t i = 0; i < conversation.messages.size(); ++i) {
      if (i > 0) out += ',';
      append_message(out, conversation.messages[i]);
    }
    out += ']';
  }
  if (!conversation.tools.empty()) out += R"(,"tools":)" + conversation.tools;
  if (conversation.weight != 1) out += fmt::format(R"(,"weight":{})", conversation.weight);
  if (conversation.golden) out += R"(,"golden":true)";
  if (!conversation.tags.empty()) {
    out += R"(,"tags":[)";
    for (size_t i = 0; i < conversation.tags.size(); ++i) {
      if (i > 0) out += ',';
      append_json_string(out, conversation.tags[i]);
    }
    out += ']';
  }
  if (!conversation.checks.empty()) out += R"(,"checks":)" + conversation.checks;
  out += '}';
  if (!is_valid_utf8(out))
    throw Error::input(
        {.where = conversation.line ? fmt::format("the row of line {}", conversation.line) : "a row",
         .found = "a message is not valid UTF-8"});
  return out;
}

void write_chat_jsonl(const std::filesystem::path& path, const std::vector<Conversation>& conversations,
                      IfExists if_exists) {
  std::string text;
  for (const Conversation& conversation : conversations) text += chat_jsonl_line(conversation) + '\n';
  write_file_atomic(path, text, if_exists);
}

}  // namespace lora
