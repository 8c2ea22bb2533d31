// The chat completions format (https://platform.openai.com/docs/api-reference/chat): a request as JSON text, and an
// answer read strictly. Pure: no network, no disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/conversation.h"

namespace lora {

struct ChatRequest {
  std::vector<Message> messages;
  std::string tools = {};                  // a JSON array as text, or empty
  std::optional<double> temperature = {};  // left out where there is none, as are the others
  int64_t max_tokens = 0;                  // 0: the server's own limit
  std::string max_tokens_field = "max_tokens";
  int sample = 0;  // tells equal requests apart that are to be answered anew; not sent
};

struct ChatReply {
  std::string text;           // a refusal's words where there is no content; calls of tools as a JSON array
  std::string finish_reason;  // "stop", "length", …; "" when the server names none
  std::string model;          // that answered, in the server's words
  std::optional<int64_t> prompt_tokens,
      completion_tokens;  // nothing when the server counts none, or nonsense
  double seconds = 0;     // of the attempt that succeeded

  bool is_whole() const { return finish_reason != "length"; }
};

// The body of a request; bytes that are no UTF-8 become U+FFFD. Errors: kInput when tools or tool_calls are not JSON.
std::string request_text(const std::string& model, const ChatRequest& request);

// Reads the body of an answer with status 200. Errors: kInput naming what was found: not JSON, an error in place of an
// answer, no choices, content that is not text. `secret`: the key, which errors never hold.
ChatReply parse_completion(std::string_view body, const std::string& where, const std::string& secret = "");

// What a body says of an error: "error.message" where it is there, else its beginning; at most 300 bytes, one line, without
// the key.
std::string error_in_words(std::string_view body, const std::string& secret = "");

// An error's `text` with every occurrence of `secret` as "[key]": servers repeat a key in their errors. A word of less than 6
// bytes, as local servers are given for one, is no secret.
std::string without_secret(std::string text, const std::string& secret);

// Whether an answer holds the key. It is not altered then: it is no answer to be kept. Keys that may be words of an answer
// ("ollama") do not count, but only those of 16 characters or more with letters and digits.
bool repeats_secret(const ChatReply& reply, const std::string& secret);

}  // namespace lora
