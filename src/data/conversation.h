// A conversation: what one row of a chat data set holds. Plain text; token ids are made in text/.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace lora {

struct Message {
  std::string role;     // "system", "user", "assistant" or "tool"
  std::string content;  // UTF-8
};

struct Conversation {
  std::vector<Message> messages;
  size_t line = 0;      // line in its file, from 1; 0: not from a file
  bool golden = false;  // marked by the user as one of the flawless examples

  bool operator==(const Conversation&) const = default;
};
inline bool operator==(const Message& a, const Message& b) {
  return a.role == b.role && a.content == b.content;
}

}  // namespace lora
