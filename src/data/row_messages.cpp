// RowBuilder: lists of messages, of any format.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/nearest_word.h"
#include "data/row_formats.h"

namespace lora {
namespace {

constexpr std::array<std::string_view, 4> kRoles = {"system", "user", "assistant", "tool"};

constexpr std::array<std::string_view, 6> kMessageKeys = {"role", "content",      "tool_calls",
                                                          "name", "tool_call_id", "weight"};
constexpr std::array<std::string_view, 3> kShareGptKeys = {"from", "value", "weight"};

struct RoleName {
  std::string_view from, role;
};
constexpr std::array<RoleName, 18> kShareGptRoles = {{{"human", "user"},
                                                      {"user", "user"},
                                                      {"gpt", "assistant"},
                                                      {"assistant", "assistant"},
                                                      {"chatgpt", "assistant"},
                                                      {"bing", "assistant"},
                                                      {"bard", "assistant"},
                                                      {"model", "assistant"},
                                                      {"bot", "assistant"},
                                                      {"ai", "assistant"},
                                                      {"system", "system"},
                                                      {"tool", "tool"},
                                                      {"tools", "tool"},
                                                      {"function", "tool"},
                                                      {"observation", "tool"},
                                                      {"function_response", "tool"},
                                                      {"tool_response", "tool"},
                                                      {"function_call", "assistant"}}};

std::string role_fix(std::string_view role) {
  for (const RoleName& name : kShareGptRoles)
    if (letters_apart(name.from, role) == 0) return fmt::format("Write \"{}\".", name.role);
  const std::string_view nearest = nearest_word(role, kRoles);
  return nearest.empty() ? "Write who speaks: \"system\", \"user\", \"assistant\" or \"tool\"."
                         : fmt::format("Write \"{}\".", nearest);
}

}  // namespace

Message& RowBuilder::add_message(size_t offset, std::string_view role) {
  std::vector<Message>& messages = row_.conversation.messages;
  if (messages_made_ == messages.size()) {
    if (row_.spare.empty()) {
      messages.emplace_back();
    } else {
      messages.push_back(std::move(row_.spare.back()));
      row_.spare.pop_back();
    }
  }
  Message& message = messages[messages_made_++];
  message.role = role;
  message.content.clear();
  message.tool_calls.clear();
  message.name.clear();
  message.tool_call_id.clear();
  message.train = true;
  row_.places.begin_message(offset);
  role_at_.push_back(offset);
  content_at_.push_back(offset);
  return message;
}

// The string at `value` becomes the last message's content.
bool RowBuilder::take_string(size_t value, std::string_view key) {
  if (type(value) != JsonType::kString) {
    std::string fix = "Put it in double quotes.";
    if (type(value) == JsonType::kObject)
      fix =
          R"(If the answer is JSON, write it as one string with its quotes escaped: "{\"name\": \"Ann\"}".)";
    if (type(value) == JsonType::kArray) fix = "Only text is supported: join the parts to one string.";
    if (type(value) == JsonType::kNull) fix = "Write the text, or remove the message.";
    problem("non-string-content", begin(value), fmt::format("\"{}\" is {}", key, type_in_words(value)),
            "a string", std::move(fix));
    return false;
  }
  row_.places.add_piece(0, begin(value));
  content_at_.back() = begin(value);
  tape_.string(value, row_.conversation.messages[messages_made_ - 1].content);
  return true;
}

bool RowBuilder::add_string_message(size_t value, std::string_view key, std::string_view role) {
  add_message(begin(value), role);
  return take_string(value, key);
}

bool RowBuilder::read_chat() {
  size_t list = tape_.find(0, "messages");
  std::string_view name = "messages";
  if (!list) list = tape_.find(0, name = "conversations");
  if (!list) list = tape_.find(0, name = "conversation");
  source_ = list;
  if (type(list) != JsonType::kArray) {
    problem("missing-messages", begin(list), fmt::format("\"{}\" is {}", name, type_in_words(list)),
            "an array of messages",
            type(list) == JsonType::kString && tape_.string(list).starts_with('[')
                ? "The array was written as a string; write it as it is, without the quotes around it."
                : "");
    return false;
  }
  if (tape_[list].count == 0) {
    problem("missing-messages", begin(list), fmt::format("\"{}\" is empty", name),
            "a user message and an assistant message", "Add the messages, or remove the row.");
    return false;
  }
  if (row_.format == RowFormat::kShareGpt)
    if (const size_t system = tape_.find(0, "system"); system && type(system) == JsonType::kString)
      if (tape_[system].end - tape_[system].begin > 2) add_string_message(system, "system", "system");
  return read_messages(list, true);
}

bool RowBuilder::read_messages(size_t list, bool train_answers) {
  bool good = true;
  for (size_t node = list + 1; node < tape_[list].after; node = tape_[node].after)
    good = read_message(node, train_answers) && good;
  return good;
}

bool RowBuilder::read_message(size_t node, bool train_answers) {
  if (type(node) != JsonType::kObject) {
    problem("missing-messages", begin(node), fmt::format("a message is {}", type_in_words(node)),
            R"({"role": "…", "content": "…"})", "Write each message as an object.");
    return false;
  }
  const size_t role = tape_.find(node, "role"), from = tape_.find(node, "from");
  const bool share_gpt = !role && from;
  if (share_gpt && options_.chat_only) {
    problem("missing-messages", begin(from - 1), "this message is in ShareGPT format (\"from\", \"value\")",
            R"({"role": "…", "content": "…"})",
            "Rename \"from\" to \"role\" (human: user, gpt: assistant) and \"value\" to \"content\".");
    return false;
  }
  if (share_gpt) row_.format = RowFormat::kShareGpt;
  add_message(begin(node), "");
  read_message_keys(node, share_gpt);
  Message& message = row_.conversation.messages[messages_made_ - 1];
  bool good = read_role(node, share_gpt ? from : role, share_gpt);
  const size_t content = tape_.find(node, share_gpt ? "value" : "content");
  if (share_gpt && good && tape_.string(from) == "function_call" && content && read_function_call(content)) {
    row_.places.add_piece(0, begin(content));
    return true;
  }
  good = read_content(node, content, !message.tool_calls.empty()) && good;
  if (!message.tool_calls.empty() && good && message.role != "assistant")
    problem("unknown-key", begin(tape_.find(node, "tool_calls") - 1),
            fmt::format("\"tool_calls\" in a message of role \"{}\"", message.role),
            "tool calls in assistant messages only", "Remove the key, or mend the role.");
  // A weight says nothing of what is not an answer.
  message.train = message.role != "assistant" || (message.train && train_answers);
  return good;
}

bool RowBuilder::read_role(size_t node, size_t value, bool from) {
  Message& message = row_.conversation.messages[messages_made_ - 1];
  if (!value) {
    problem("unknown-role", begin(node), "a message without \"role\"",
            "\"system\", \"user\", \"assistant\" or \"tool\"", "Add it.");
    return false;
  }
  role_at_.back() = begin(value);
  if (type(value) != JsonType::kString) {
    problem("unknown-role", begin(value),
            fmt::format("\"{}\" is {}", from ? "from" : "role", type_in_words(value)), "a string",
            "Write \"system\", \"user\", \"assistant\" or \"tool\".");
    return false;
  }
  tape_.string(value, message.role);
  if (from) {
    const auto* name = std::find_if(kShareGptRoles.begin(), kShareGptRoles.end(),
                                    [&](const RoleName& r) { return r.from == message.role; });
    if (name != kShareGptRoles.end()) {
      message.role = name->role;
      return true;
    }
    problem("unknown-role", begin(value), fmt::format("unknown speaker {}", as_quoted(message.role)),
            "\"human\", \"gpt\", \"system\" or a tool's \"observation\"",
            "Write \"human\" or \"gpt\", or convert the row to messages.");
    return false;
  }
  if (std::find(kRoles.begin(), kRoles.end(), message.role) != kRoles.end()) return true;
  problem("unknown-role", begin(value), fmt::format("unknown role {}", as_quoted(message.role)),
          "\"system\", \"user\", \"assistant\" or \"tool\"", role_fix(message.role));
  return false;
}

bool RowBuilder::read_content(size_t node, size_t value, bool has_calls) {
  if (!value) {
    if (has_calls) return true;
    problem("empty-content", begin(node), "a message without \"content\"", "a string", "Add it.");
    return false;
  }
  if (has_calls && type(value) == JsonType::kNull) return true;
  return take_string(value, tape_.string(value - 1));
}

void RowBuilder::read_message_keys(size_t node, bool from) {
  Message& message = row_.conversation.messages[messages_made_ - 1];
  for (size_t key = node + 1; key < tape_[node].after; key = tape_[key + 1].after) {
    const size_t value = key + 1;
    const bool is_null = type(value) == JsonType::kNull;
    const std::string_view raw = tape_.raw(key).substr(1, tape_.raw(key).size() - 2);
    const std::string decoded = tape_[key].escaped ? tape_.string(key) : std::string();
    const std::string_view name = tape_[key].escaped ? std::string_view(decoded) : raw;
    if (from ? name == "from" || name == "value" : name == "role" || name == "content") continue;
    if (name == "tool_calls") {
      if (!is_null) read_calls(value);
    } else if (name == "name" || name == "tool_call_id") {
      if (type(value) == JsonType::kString)
        tape_.string(value, name == "name" ? message.name : message.tool_call_id);
      else if (!is_null)
        problem("invalid-value", begin(value), fmt::format("\"{}\" is {}", name, type_in_words(value)),
                "a string", "");
    } else if (name == "weight") {
      if (is_null) continue;
      const std::string_view number = tape_.raw(value);
      if (number == "0" || number == "1" || number == "0.0" || number == "1.0")
        message.train = number[0] == '1';
      else
        problem("invalid-value", begin(value),
                type(value) == JsonType::kNumber ? fmt::format("a message's weight is {}", number)
                                                 : fmt::format("\"weight\" is {}", type_in_words(value)),
                "0 (not learned from) or 1", "Give the whole row a weight for anything between.");
    } else if (name != "id") {
      const std::string_view nearest =
          from ? nearest_word(name, kShareGptKeys) : nearest_word(name, kMessageKeys);
      problem("unknown-key", begin(key), fmt::format("unknown key {} in a message", as_quoted(name)),
              from ? "\"from\" and \"value\""
                   : "\"role\" and \"content\", and optionally \"tool_calls\", \"name\", \"tool_call_id\" "
                     "and \"weight\"",
              did_you_mean(nearest, "Remove the key: nothing reads it."));
    }
  }
}

void RowBuilder::read_calls(size_t value) {
  Message& message = row_.conversation.messages[messages_made_ - 1];
  if (type(value) != JsonType::kArray) {
    problem("invalid-value", begin(value), fmt::format("\"tool_calls\" is {}", type_in_words(value)),
            "an array of calls", "");
    return;
  }
  for (size_t item = value + 1; item < tape_[value].after; item = tape_[item].after)
    if (type(item) != JsonType::kObject) {
      problem("invalid-value", begin(item), fmt::format("a tool call is {}", type_in_words(item)),
              R"({"type": "function", "function": {"name": "…", "arguments": …}})", "");
      return;
    }
  if (tape_[value].count > 0) message.tool_calls = compact_json(tape_.raw(value));
}

// ShareGPT's "function_call" turn: its value is the JSON of one call, or of several.
bool RowBuilder::read_function_call(size_t value) {
  if (type(value) != JsonType::kString) return false;
  const std::string text = tape_.string(value);
  JsonTape call;
  if (!call.read(text) || !call.duplicate_keys().empty()) return false;
  const auto is_call = [&](size_t node) {
    return call[node].type == JsonType::kObject && call.find(node, "name") != 0;
  };
  std::string calls;
  const auto add = [&](size_t node) {
    calls += fmt::format(R"({}{{"type":"function","function":{}}})", calls.empty() ? "" : ",",
                         compact_json(call.raw(node)));
  };
  if (call[0].type == JsonType::kArray && call[0].count > 0) {
    for (size_t item = 1; item < call[0].after; item = call[item].after) {
      if (!is_call(item)) return false;
      add(item);
    }
  } else if (is_call(0)) {
    add(0);
  } else {
    return false;
  }
  row_.conversation.messages[messages_made_ - 1].tool_calls = "[" + calls + "]";
  return true;
}

}  // namespace lora
