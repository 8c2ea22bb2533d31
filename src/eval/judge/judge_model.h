// Who judges: a model that is asked many prompts and answers each with text. An endpoint (judging/endpoint_judge.h), a
// local model, or a script in tests.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/conversation.h"

namespace lora {

struct JudgePrompt {
  std::vector<Message> messages;
  int sample = 0;  // equal messages with another number are to be answered anew
};

struct JudgeAnswer {
  std::string text = {};
  bool whole = true;         // false: it ran into its limit of tokens
  std::string failure = {};  // why there is no answer; then `text` is empty
  std::optional<int64_t> prompt_tokens = {}, completion_tokens = {};
};

class JudgeModel {
 public:
  virtual ~JudgeModel() = default;
  // Its name, as people know it: "gpt-4o", a file.
  virtual std::string id() const = 0;
  // What to write down about it beside its name, an object: address, settings, tokens and cost so far.
  virtual nlohmann::ordered_json record() const { return nlohmann::ordered_json::object(); }
  // For people: how much was asked, "72 answers of the judge, 0 asked now; …".
  virtual std::string use_in_words() const { return {}; }
  // One answer a prompt, in their order. Errors: what makes further asking pointless; kInterrupted.
  virtual std::vector<JudgeAnswer> ask(const std::vector<JudgePrompt>& prompts) = 0;
};

}  // namespace lora
