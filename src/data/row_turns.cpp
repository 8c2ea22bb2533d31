// RowBuilder: what holds for the rows of every format: whose turn it is, and what texts may hold.
#include <fmt/format.h>

#include "data/row_formats.h"

namespace lora {
namespace {

// Whether `role` may follow `previous` ("" at the start; a system message counts as the start).
bool may_follow(std::string_view previous, std::string_view role) {
  if (role == "user") return previous.empty() || previous == "system" || previous == "assistant";
  if (role == "assistant") return previous == "user" || previous == "tool";
  return previous == "assistant" || previous == "tool";  // tool
}

}  // namespace

void RowBuilder::check_turns() {
  const std::vector<Message>& messages = row_.conversation.messages;
  std::string_view previous;
  bool learned = false, answered = false;
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    answered = answered || role == "assistant";
    learned = learned || (role == "assistant" && messages[i].train);
    if (role == "system") {
      if (i > 0)
        problem("system-not-first", role_at_[i],
                fmt::format("roles out of order: \"system\" after \"{}\"", messages[i - 1].role),
                "the system message first, and only one",
                "Move it to the front, or join it with the one there.");
      if (previous.empty()) previous = role;
      continue;
    }
    if (!may_follow(previous, role)) {
      const bool first = previous.empty() || previous == "system";
      problem("roles-not-alternating", role_at_[i],
              previous.empty() ? fmt::format("roles out of order: the first message is of role \"{}\"", role)
                               : fmt::format("roles out of order: \"{}\" after \"{}\"", role, previous),
              "an optional system message, then user and assistant in turn",
              role == previous ? "Join the two messages, or add the one between them."
              : first          ? "Begin with what the user says."
                               : "Add the message that is missing between them.");
    }
    previous = role;
  }
  if (options_.kind == RowKind::kPrompt) {
    if (previous == "system")
      problem("missing-messages", begin(source_), "no message of role \"user\"", "something to answer",
              "Add the user's message.");
    return;
  }
  if (!answered)
    problem("no-assistant", begin(source_), "no message of role \"assistant\"",
            "at least one answer to learn from", "Add the answer that the model should give.");
  else if (!learned)
    problem("no-assistant", begin(source_), "every assistant message has weight 0",
            "at least one answer to learn from", "Remove the row, or a weight.");
  else if (previous != "assistant")
    problem("last-not-assistant", role_at_.back(),
            fmt::format("the last message is of role \"{}\"", previous), "the assistant's answer last",
            "Add the answer, or remove the message.");
}

void RowBuilder::check_contents() {
  const Conversation& conversation = row_.conversation;
  if (conversation.messages.empty()) return check_content(0, conversation.text, true);
  for (size_t i = 0; i < conversation.messages.size(); ++i) {
    const Message& message = conversation.messages[i];
    if (is_blank(message.content) && message.tool_calls.empty() && message.role != "tool") {
      const bool answer = message.role == "assistant";
      RowProblem& said =
          problem("empty-content", content_at_[i],
                  fmt::format("{} {} message without text", answer ? "an" : "a", message.role),
                  answer ? "the answer that the model should give" : "text",
                  answer ? "Write the answer, or remove the row." : "Write the text, or remove the message.");
      said.refused = answer;
      if (message.role == "system") said.severity = Severity::kWarning;
    }
    check_content(i, message.content, false);
  }
}

void RowBuilder::check_content(size_t message, std::string_view text, bool plain_text) {
  if (plain_text && is_blank(text))
    problem("empty-content", content_at_[message], "a row without text", "text to learn from",
            "Remove the row.");
  if (!options_.find_control_token) return;
  constexpr int kMost = 5;  // of one message
  size_t from = 0;
  for (int found = 0; found < kMost; ++found) {
    const std::optional<ControlToken> token = options_.find_control_token(text, from);
    if (!token) return;
    from = token->offset + token->length;
    RowProblem& said =
        problem("control-token-in-text", row_.places.offset_of(tape_.text(), message, token->offset),
                fmt::format("the control token {} is spelled out in the text",
                            as_quoted(text.substr(token->offset, token->length))),
                "text without control tokens",
                plain_text ? "Give messages in place of text that a template has already been applied to, "
                             "unless that is meant."
                           : "Remove it; the chat template adds the control tokens.");
    said.refused = false;
    if (plain_text) said.severity = Severity::kNote;
  }
}

}  // namespace lora
