#include "data/row_formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/nearest_word.h"
#include "base/utf8.h"

namespace lora {

const std::string_view kRowShape =
    R"({"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]})";

namespace {

// Keys that many data sets carry along and that mean nothing for training. Everything else unknown is spoken of.
constexpr std::array<std::string_view, 21> kHarmlessKeys = {
    "id",       "uuid",  "idx",      "index",   "prompt_id", "source",     "dataset",
    "category", "topic", "language", "lang",    "metadata",  "meta",       "comment",
    "url",      "title", "author",   "created", "timestamp", "created_at", "parallel_tool_calls"};

// A step of one such row alone still has gradients that a float holds.
constexpr double kLeastWeight = 1e-6, kMostWeight = 1e6;
constexpr std::array<std::string_view, 6> kRowKeys = {"messages", "tools", "weight",
                                                      "golden",   "tags",  "checks"};
constexpr std::array<std::string_view, 16> kAllRowKeys = {
    "checks",      "messages", "tools",  "weight",  "golden", "tags",       "conversations", "system",
    "instruction", "input",    "output", "history", "prompt", "completion", "text",          "conversation"};
}  // namespace

std::string as_quoted(std::string_view text) {
  size_t length = std::min<size_t>(text.size(), 40);
  while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
    --length;
  return fmt::format("\"{}{}\"", text.substr(0, length), length < text.size() ? "…" : "");
}

std::string did_you_mean(std::string_view nearest, std::string_view otherwise) {
  return nearest.empty() ? std::string(otherwise) : fmt::format("Did you mean \"{}\"?", nearest);
}

bool is_blank(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = utf8_at(text, i);
    const uint32_t p = c.code_point;
    const bool shows_nothing = p <= 0x20 || p == 0x7F || (p >= 0x80 && p <= 0xA0) || p == 0xAD ||
                               p == 0x1680 || p == 0x180E || (p >= 0x2000 && p <= 0x200F) ||
                               (p >= 0x2028 && p <= 0x202F) || (p >= 0x205F && p <= 0x206F) || p == 0x3000 ||
                               p == 0x3164 || p == 0xFEFF;
    if (!c.valid || !shows_nothing) return false;
    i += c.length;
  }
  return true;
}

std::string RowBuilder::type_in_words(size_t node) const {
  switch (type(node)) {
    case JsonType::kNull:
      return "null";
    case JsonType::kBoolean:
      return "a boolean";
    case JsonType::kString:
      return "a string";
    case JsonType::kArray:
      return "an array";
    case JsonType::kObject:
      return "an object";
    case JsonType::kNumber:
      break;
  }
  return "a number";
}

RowProblem& RowBuilder::problem(std::string_view code, size_t offset, std::string found, std::string expected,
                                std::string fix) {
  return row_.problems.emplace_back(RowProblem{.code = code,
                                               .offset = offset,
                                               .found = std::move(found),
                                               .expected = std::move(expected),
                                               .fix = std::move(fix)});
}

void RowBuilder::build() {
  for (const uint32_t key : tape_.duplicate_keys())
    problem("duplicate-key", begin(key),
            fmt::format("the key {} stands twice in one object", as_quoted(tape_.string(key))),
            "each key once", "Remove one of them.");
  const std::optional<RowFormat> format = recognise();
  if (!format) {
    say_no_format();
    return;
  }
  row_.format = *format;
  if (options_.chat_only && *format != RowFormat::kChat) {
    refuse_other_formats(*format);
    return;
  }
  read_row_keys(*format);
  bool good = false;
  switch (*format) {
    case RowFormat::kChat:
    case RowFormat::kShareGpt:
      good = read_chat();
      break;
    case RowFormat::kAlpaca:
      good = read_alpaca();
      break;
    case RowFormat::kPromptCompletion:
      good = read_prompt_completion();
      break;
    case RowFormat::kText:
      good = read_text();
      break;
  }
  std::vector<Message>& messages = row_.conversation.messages;
  for (; messages.size() > messages_made_; messages.pop_back())
    row_.spare.push_back(std::move(messages.back()));
  row_.readable = good;
  if (!good) return;
  if (*format != RowFormat::kText) check_turns();
  check_contents();
}

std::optional<RowFormat> RowBuilder::recognise() {
  const auto has = [&](std::string_view key) { return tape_.find(0, key) != 0; };
  if (has("messages")) return RowFormat::kChat;
  if (has("conversations") || has("conversation")) return RowFormat::kShareGpt;
  if (has("instruction")) return RowFormat::kAlpaca;
  if (has("prompt") && !has("chosen") && !has("rejected")) return RowFormat::kPromptCompletion;
  if (has(options_.text_field)) return RowFormat::kText;
  return std::nullopt;
}

void RowBuilder::refuse_other_formats(RowFormat format) {
  const auto key_offset = [&](std::string_view key) {
    for (size_t at = 1; at < tape_[0].after; at = tape_[at + 1].after)
      if (tape_.string(at) == key) return begin(at);
    return size_t{0};
  };
  switch (format) {
    case RowFormat::kChat:
      break;
    case RowFormat::kShareGpt:
      problem(
          "missing-messages", std::max(key_offset("conversations"), key_offset("conversation")),
          "this row is in ShareGPT format (\"conversations\" with \"from\" and \"value\")",
          std::string(kRowShape),
          "Rename \"conversations\" to \"messages\", \"from\" to \"role\" (human: user, gpt: assistant) and "
          "\"value\" to \"content\": lora check --convert does it.");
      break;
    case RowFormat::kAlpaca:
      problem("missing-messages", key_offset("instruction"),
              "this row is in Alpaca format (\"instruction\", \"input\", \"output\")", std::string(kRowShape),
              "Make instruction and input the user message and output the assistant message: lora check "
              "--convert "
              "does it.");
      break;
    case RowFormat::kPromptCompletion:
      problem(
          "missing-messages", key_offset("prompt"), "this row is in prompt and completion format",
          std::string(kRowShape),
          "Make the prompt the user message and the completion the assistant message: lora check --convert "
          "does it.");
      break;
    case RowFormat::kText:
      problem("missing-messages", key_offset(options_.text_field),
              fmt::format("this row is plain text ({})", as_quoted(options_.text_field)),
              std::string(kRowShape),
              "Give the messages themselves; the model's chat template is applied here.");
      break;
  }
}

void RowBuilder::say_no_format() {
  if (tape_.find(0, "chosen") && tape_.find(0, "rejected")) {
    problem("missing-messages", begin(0),
            "this row holds a preference (\"chosen\", \"rejected\"), not an example to imitate",
            std::string(kRowShape), "Make messages of the prompt and the chosen answer.");
    return;
  }
  std::string near_key, nearest;
  for (size_t key = 1; key < tape_[0].after; key = tape_[key + 1].after) {
    const std::string name = tape_.string(key);
    const std::string_view known = nearest_word(name, kAllRowKeys);
    if (known.empty() || !nearest.empty()) continue;
    if (known == name) continue;
    nearest = known;
    near_key = name;
    problem("missing-messages", begin(0), "a row without \"messages\"", std::string(kRowShape),
            fmt::format("Did you mean {} by {}?", as_quoted(nearest), as_quoted(near_key)));
    problem("unknown-key", begin(key), fmt::format("unknown key {}", as_quoted(name)), std::string(kRowShape),
            fmt::format("Did you mean \"{}\"?", known));
  }
  if (nearest.empty())
    problem("missing-messages", begin(0), "a row without \"messages\"", std::string(kRowShape),
            options_.text_field == "text"
                ? "Add the messages. If the text stands under another key, name it: "
                  "--dataset-text-field."
                : "Add the messages, or name the key that holds the text.");
}

void RowBuilder::read_row_keys(RowFormat format) {
  for (size_t key = 1; key < tape_[0].after; key = tape_[key + 1].after) {
    if (!tape_[key].escaped) {
      const std::string_view raw = tape_.raw(key);
      read_row_key(format, key, raw.substr(1, raw.size() - 2));
    } else {
      read_row_key(format, key, tape_.string(key));
    }
  }
}

void RowBuilder::read_row_key(RowFormat format, size_t key, std::string_view name) {
  Conversation& conversation = row_.conversation;
  const size_t value = key + 1;
  const bool is_null = type(value) == JsonType::kNull;
  const auto bad_value = [&](std::string_view expected) {
    problem("invalid-value", begin(value), fmt::format("\"{}\" is {}", name, type_in_words(value)),
            std::string(expected), "");
  };
  if (name == "golden") {
    if (type(value) != JsonType::kBoolean)
      bad_value("true or false");
    else
      conversation.golden = tape_.boolean(value);
  } else if (name == "weight") {
    if (is_null) return;
    const double weight = type(value) == JsonType::kNumber ? tape_.number(value) : -1;
    if (type(value) != JsonType::kNumber)
      bad_value("a number above 0");
    else if (!(weight >= kLeastWeight && weight <= kMostWeight))
      problem("invalid-value", begin(value), fmt::format("the row's weight is {}", tape_.raw(value)),
              "a number above 0, from 1e-6 to 1e6", "Remove a row that should not count.");
    else
      conversation.weight = weight;
  } else if (name == "tags") {
    if (is_null) return;
    if (type(value) != JsonType::kArray) return bad_value("an array of strings");
    for (size_t item = value + 1; item < tape_[value].after; item = tape_[item].after) {
      if (type(item) != JsonType::kString)
        return static_cast<void>(problem("invalid-value", begin(item),
                                         fmt::format("a tag is {}", type_in_words(item)), "a string", ""));
      conversation.tags.push_back(tape_.string(item));
    }
  } else if (name == "tools") {
    if (is_null) return;
    if (std::optional<std::string> list = json_list(value))
      conversation.tools = *list == "[]" ? "" : std::move(*list);
    else
      bad_value("an array of tool definitions");
  } else if (name == "checks") {
    if (is_null) return;
    if (type(value) != JsonType::kArray) return bad_value("an array of checks, as in docs/checks.md");
    std::string list = compact_json(tape_.raw(value));
    conversation.checks = list == "[]" ? "" : std::move(list);
  } else {
    bool known = std::find(kHarmlessKeys.begin(), kHarmlessKeys.end(), name) != kHarmlessKeys.end();
    switch (format) {
      case RowFormat::kChat:
        known = known || name == "messages";
        break;
      case RowFormat::kShareGpt:
        known = known || name == "conversations" || name == "conversation" || name == "system";
        break;
      case RowFormat::kAlpaca:
        known = known || name == "instruction" || name == "input" || name == "output" || name == "system" ||
                name == "history" || name == "text";
        break;
      case RowFormat::kPromptCompletion:
        known = known || name == "prompt" || name == "completion" || name == "system";
        break;
      case RowFormat::kText:
        known = known || name == options_.text_field;
        break;
    }
    if (known) return;
    const std::string_view nearest = nearest_word(name, kRowKeys);
    problem("unknown-key", begin(key), fmt::format("unknown key {}", as_quoted(name)),
            format == RowFormat::kChat
                ? "\"messages\", and optionally \"tools\", \"weight\", \"golden\", \"tags\" and \"checks\""
                : fmt::format("the keys of a row in {} format", format_name(format)),
            did_you_mean(nearest, "Remove the key: nothing reads it."));
  }
}

// A list as compact JSON: an array, or a string that holds one.
std::optional<std::string> RowBuilder::json_list(size_t value) const {
  if (type(value) == JsonType::kArray) return compact_json(tape_.raw(value));
  if (type(value) != JsonType::kString) return std::nullopt;
  const std::string text = tape_.string(value);
  if (is_blank(text)) return std::string("[]");
  JsonTape inner;
  if (!inner.read(text) || inner[0].type != JsonType::kArray || !inner.duplicate_keys().empty())
    return std::nullopt;
  return compact_json(inner.raw(0));
}

}  // namespace lora
