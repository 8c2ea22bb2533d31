#include "data/chat_jsonl.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/json_reader.h"

namespace lora {
namespace {

using nlohmann::json;

constexpr std::string_view kRowShape =
    R"({"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]})";
constexpr std::array<std::string_view, 4> kRoles = {"system", "user", "assistant", "tool"};

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// A user's word for a message: in quotes, not longer than a line.
std::string in_quotes(std::string_view text) {
  size_t length = std::min<size_t>(text.size(), 40);
  while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
    --length;
  return fmt::format("\"{}{}\"", text.substr(0, length), length < text.size() ? "…" : "");
}

std::string type_in_words(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return "null";
    case json::value_t::boolean:
      return "a boolean";
    case json::value_t::string:
      return "a string";
    case json::value_t::array:
      return "an array";
    case json::value_t::object:
      return "an object";
    default:
      return "a number";
  }
}

// One line of the file, with what is needed to say where something stands in it.
struct Line {
  std::string_view file;
  size_t number;
  std::string_view text;

  [[noreturn]] void refuse(size_t offset, std::string found, std::string expected, std::string fix) const {
    throw Error::input({.where = place_in_line(file, number, text, offset),
                        .found = std::move(found),
                        .expected = std::move(expected),
                        .fix = std::move(fix)});
  }
};

// --- The file as a whole
// ---------------------------------------------------------------------------------------

[[noreturn]] void refuse_file(std::string_view name, std::string found, std::string expected,
                              std::string fix) {
  throw Error::input({.where = fmt::format("{}:1:1", name),
                      .found = std::move(found),
                      .expected = std::move(expected),
                      .fix = std::move(fix)});
}

// Files that are something else altogether are told by their first bytes.
void check_encoding(std::string_view text, std::string_view name) {
  using namespace std::string_view_literals;
  const auto convert = [&](std::string_view encoding) {
    return fmt::format("Convert it: iconv -f {} -t UTF-8 {} > converted.jsonl", encoding, name);
  };
  if (text.starts_with("\xEF\xBB\xBF"))
    refuse_file(name, "the file begins with a byte order mark (BOM)", "UTF-8 without BOM",
                fmt::format("Remove it: tail -c +4 {} > converted.jsonl", name));
  if (text.starts_with("\xFF\xFE\0\0"sv) || text.starts_with("\0\0\xFE\xFF"sv))
    refuse_file(name, "the file is UTF-32", "UTF-8", convert("UTF-32"));
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    refuse_file(name, "the file is UTF-16", "UTF-8", convert("UTF-16"));
  if (text.size() >= 2 && text[0] == '\0' && text[1] != '\0')
    refuse_file(name, "the file looks like UTF-16 (big endian)", "UTF-8", convert("UTF-16BE"));
  if (text.size() >= 2 && text[0] != '\0' && text[1] == '\0')
    refuse_file(name, "the file looks like UTF-16 (little endian)", "UTF-8", convert("UTF-16LE"));
  if (text.starts_with("\x1F\x8B") || text.starts_with("\x28\xB5\x2F\xFD") || text.starts_with("PK\x03\x04"))
    refuse_file(name, "the file is compressed", "JSON Lines as plain text", "Unpack it first.");
  if (text.starts_with("PAR1"))
    refuse_file(name, "the file is in Parquet format", "JSON Lines", "Convert it to JSON Lines first.");
}

void check_file(std::string_view text, std::string_view name) {
  check_encoding(text, name);
  if (is_blank(text))
    refuse_file(name, "the file is empty", "one row a line: " + std::string(kRowShape),
                "Write one example on each line.");
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (text[first] == '[') {
    const TextPosition position = position_of(text, first);
    throw Error::input(
        {.where = fmt::format("{}:{}:{}", name, position.line, position.column),
         .found = "the file is a JSON array",
         .expected = "JSON Lines: one object per line, without brackets and commas around them",
         .fix = fmt::format("Convert it: jq -c '.[]' {} > converted.jsonl", name)});
  }
}

// --- One row
// ---------------------------------------------------------------------------------------------------

bool has_any(const json& object, std::initializer_list<const char*> keys) {
  return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return object.contains(key); });
}

// The row is of another known format: says which.
void refuse_other_formats(const Line& line, const json& row, const JsonPlace& place) {
  const auto key_offset = [&](const char* key) { return place.at(std::string_view(key)).key_begin; };
  if (row.contains("messages")) return;
  if (row.contains("conversations"))
    line.refuse(key_offset("conversations"),
                "this row is in ShareGPT format (\"conversations\" with \"from\" and \"value\")",
                std::string(kRowShape),
                "Rename \"conversations\" to \"messages\", \"from\" to \"role\" (human: user, gpt: "
                "assistant) and \"value\" to \"content\".");
  if (row.contains("instruction"))
    line.refuse(key_offset("instruction"),
                "this row is in Alpaca format (\"instruction\", \"input\", \"output\")",
                std::string(kRowShape),
                "Make instruction and input the user message and output the assistant message.");
  if (has_any(row, {"prompt"}))
    line.refuse(key_offset("prompt"), "this row is in prompt and completion format", std::string(kRowShape),
                "Make the prompt the user message and the completion the assistant message.");
  if (has_any(row, {"text"}))
    line.refuse(key_offset("text"), "this row is plain text (\"text\")", std::string(kRowShape),
                "Give the messages themselves; the model's chat template is applied here.");
}

std::string unknown_key_fix(std::string_view key, bool in_message) {
  if (in_message && key == "tool_calls")
    return "Tool calls are not supported; remove the row, or write the call as content.";
  if (!in_message && key == "tools")
    return "Tool definitions are not supported; write them into the system message.";
  if (key == "weight" || key == "train") return "Weights are not supported; remove the key, or the row.";
  return "Remove the key.";
}

std::string content_fix(const json& content) {
  if (content.is_object())
    return "If the answer is JSON, write it as one string with its quotes escaped: \"{\\\"name\\\": "
           "\\\"Ann\\\"}\".";
  if (content.is_array()) return "Only text is supported: join the parts to one string.";
  if (content.is_null()) return "Write the text, or remove the message.";
  return "Put it in double quotes.";
}

// Where a member of a message stands; the message's own place when it is missing.
Message read_message(const Line& line, const json& value, const JsonPlace& place) {
  if (!value.is_object())
    line.refuse(place.begin, fmt::format("a message is {}", type_in_words(value)),
                R"({"role": "…", "content": "…"})", "");
  if (value.contains("from") && value.contains("value"))
    line.refuse(place.at("from").key_begin, "this message is in ShareGPT format (\"from\", \"value\")",
                R"({"role": "…", "content": "…"})",
                "Rename \"from\" to \"role\" (human: user, gpt: assistant) and \"value\" to \"content\".");
  for (const JsonPlace& member : place.children)
    if (member.key != "role" && member.key != "content")
      line.refuse(member.key_begin, fmt::format("unknown key {} in a message", in_quotes(member.key)),
                  "\"role\" and \"content\"", unknown_key_fix(member.key, true));
  if (!value.contains("role"))
    line.refuse(place.begin, "a message without \"role\"", "\"system\", \"user\", \"assistant\" or \"tool\"",
                "Add it.");
  const json& role = value["role"];
  if (!role.is_string())
    line.refuse(place.at("role").begin, fmt::format("\"role\" is {}", type_in_words(role)), "a string", "");
  Message message{role.get<std::string>(), {}};
  if (std::find(kRoles.begin(), kRoles.end(), message.role) == kRoles.end())
    line.refuse(place.at("role").begin, fmt::format("unknown role {}", in_quotes(message.role)),
                "\"system\", \"user\", \"assistant\" or \"tool\"",
                message.role == "human" ? "Write \"user\"."
                : message.role == "gpt" || message.role == "model" || message.role == "bot"
                    ? "Write \"assistant\"."
                    : "");
  if (!value.contains("content"))
    line.refuse(place.begin, "a message without \"content\"", "a string", "Add it.");
  const json& content = value["content"];
  if (!content.is_string())
    line.refuse(place.at("content").begin, fmt::format("\"content\" is {}", type_in_words(content)),
                "a string", content_fix(content));
  message.content = content.get<std::string>();
  if (message.role == "assistant" && is_blank(message.content))
    line.refuse(place.at("content").begin, "an assistant message without text",
                "the answer that the model should give", "Write the answer, or remove the row.");
  return message;
}

// Whether `role` may follow `previous` ("" at the start; a system message counts as the start).
bool may_follow(std::string_view previous, std::string_view role) {
  if (role == "system") return previous.empty();
  if (role == "user") return previous.empty() || previous == "system" || previous == "assistant";
  if (role == "assistant") return previous == "user" || previous == "tool";
  return previous == "assistant" || previous == "tool";  // tool
}

void check_roles(const Line& line, const std::vector<Message>& messages, const JsonPlace& place,
                 RowKind kind) {
  std::string_view previous;
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (!may_follow(previous, role)) {
      const std::string found =
          previous.empty() ? fmt::format("roles out of order: the first message is of role \"{}\"", role)
                           : fmt::format("roles out of order: \"{}\" after \"{}\"", role, previous);
      const bool same = role == previous && role != "system";
      line.refuse(place.at(i).at("role").begin, found,
                  role == "system" ? "the system message first, and only one"
                                   : "an optional system message, then user and assistant in turn",
                  same ? "Join the two messages, or add the one between them." : "");
    }
    previous = role;
  }
  const bool answered =
      std::any_of(messages.begin(), messages.end(), [](const Message& m) { return m.role == "assistant"; });
  if (kind == RowKind::kTraining && !answered)
    line.refuse(place.begin, "no message of role \"assistant\"", "at least one answer to learn from",
                "Add the answer that the model should give.");
  if (kind == RowKind::kTraining && previous != "assistant")
    line.refuse(place.at(messages.size() - 1).at("role").begin,
                fmt::format("the last message is of role \"{}\"", previous), "the assistant's answer last",
                "Add the answer, or remove the message.");
  if (kind == RowKind::kPrompt && previous == "system")
    line.refuse(place.begin, "no message of role \"user\"", "something to answer", "Add the user's message.");
}

Conversation read_row(const Line& line, RowKind kind) {
  JsonText parsed = read_json(line.text);
  if (!parsed.ok()) {
    JsonProblem& problem = *parsed.problem;
    line.refuse(problem.offset, std::move(problem.found), std::move(problem.expected),
                std::move(problem.fix));
  }
  const json& row = parsed.value;
  const JsonPlace& place = parsed.place;
  if (!row.is_object())
    line.refuse(place.begin, fmt::format("the row is {}", type_in_words(row)), std::string(kRowShape),
                "Write one object on each line.");
  refuse_other_formats(line, row, place);
  for (const JsonPlace& member : place.children)
    if (member.key != "messages" && member.key != "golden")
      line.refuse(member.key_begin, fmt::format("unknown key {}", in_quotes(member.key)),
                  "\"messages\", and optionally \"golden\"", unknown_key_fix(member.key, false));
  if (!row.contains("messages"))
    line.refuse(place.begin, "a row without \"messages\"", std::string(kRowShape), "");

  Conversation conversation;
  conversation.line = line.number;
  if (row.contains("golden")) {
    if (!row["golden"].is_boolean())
      line.refuse(place.at("golden").begin, fmt::format("\"golden\" is {}", type_in_words(row["golden"])),
                  "true or false", "");
    conversation.golden = row["golden"].get<bool>();
  }
  const json& messages = row["messages"];
  const JsonPlace& messages_place = place.at("messages");
  if (!messages.is_array())
    line.refuse(messages_place.begin, fmt::format("\"messages\" is {}", type_in_words(messages)),
                "an array of messages", "");
  if (messages.empty())
    line.refuse(messages_place.begin, "\"messages\" is empty", "a user message and an assistant message",
                "Add the messages, or remove the row.");
  for (size_t i = 0; i < messages.size(); ++i)
    conversation.messages.push_back(read_message(line, messages[i], messages_place.at(i)));
  check_roles(line, conversation.messages, messages_place, kind);
  return conversation;
}

std::vector<Conversation> read_file_of(const std::filesystem::path& path, RowKind kind) {
  return parse_chat_jsonl(read_file(path), path.string(), kind);
}

}  // namespace

std::vector<Conversation> parse_chat_jsonl(std::string_view text, std::string_view name, RowKind kind) {
  check_file(text, name);
  std::vector<Conversation> conversations;
  size_t number = 1, blank = 0;  // blank: the first blank line not yet known to be at the end
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const Line line{name, number, text.substr(begin, end - begin)};
    begin = end + 1;
    if (line.text.size() > kMaxLineBytes)
      line.refuse(0, fmt::format("the line has {} bytes", line.text.size()),
                  fmt::format("at most {}", kMaxLineBytes),
                  "Put each example on a line of its own, or shorten it.");
    if (is_blank(line.text)) {
      if (blank == 0) blank = number;
      continue;
    }
    if (blank != 0)
      throw Error::input({.where = fmt::format("{}:{}:1", name, blank),
                          .found = "a blank line between rows",
                          .expected = "one row on each line",
                          .fix = "Remove it, and look whether a row was lost here."});
    conversations.push_back(read_row(line, kind));
  }
  return conversations;
}

std::vector<Conversation> read_chat_jsonl(const std::filesystem::path& path) {
  return read_file_of(path, RowKind::kTraining);
}

std::vector<Conversation> read_prompts_jsonl(const std::filesystem::path& path) {
  return read_file_of(path, RowKind::kPrompt);
}

std::string chat_jsonl_line(const Conversation& conversation) {
  nlohmann::ordered_json row;
  row["messages"] = nlohmann::ordered_json::array();
  for (const Message& message : conversation.messages)
    row["messages"].push_back({{"role", message.role}, {"content", message.content}});
  if (conversation.golden) row["golden"] = true;
  try {
    return row.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error::input(
        {.where = conversation.line ? fmt::format("the row of line {}", conversation.line) : "a row",
         .found = "a message is not valid UTF-8"});
  }
}

void write_chat_jsonl(const std::filesystem::path& path, const std::vector<Conversation>& conversations,
                      IfExists if_exists) {
  std::string text;
  for (const Conversation& conversation : conversations) text += chat_jsonl_line(conversation) + '\n';
  write_file_atomic(path, text, if_exists);
}

}  // namespace lora
