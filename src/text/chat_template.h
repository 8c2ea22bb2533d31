// A model's chat template (Jinja), rendered as transformers.apply_chat_template does it: trim_blocks, lstrip_blocks,
// `messages`, `add_generation_prompt`, `tools` and `documents` none, bos_token/eos_token/…, raise_exception(),
// strftime_now(), {% generation %} accepted. The engine is llama.cpp's; template_budget.h keeps it within bounds.
// Does not make token ids: render.h does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/conversation.h"
#include "files/checkpoint.h"
#include "text/pattern.h"

namespace lora {

// A rendered text and which bytes of it are the contents of marked messages.
struct MarkedText {
  std::string text;
  std::vector<ByteRange> marks;  // in order, not touching each other
};

class ChatTemplate {
 public:
  // GGUF: tokenizer.chat_template. Hugging Face: chat_template.jinja, else "chat_template" of tokenizer_config.json
  // (of several, the one named "default"). Errors: kInput when there is none, or it does not parse (with its line).
  static ChatTemplate from_checkpoint(const Checkpoint& checkpoint);
  static ChatTemplate from_source(std::string jinja, std::string bos_token, std::string eos_token);

  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  const std::string& source() const;
  // SHA-256 over the source and the special tokens that it may print.
  std::string fingerprint() const;

  // Errors: kInput with the template's line when it raises, uses what is not supported, or passes a budget
  // (kTemplate… below). Thread-safe.
  std::string render(std::span<const Message> messages, bool add_generation_prompt) const;
  // As above; `marked` names the messages whose contents are to be found in the text again.
  MarkedText render_marked(std::span<const Message> messages, bool add_generation_prompt,
                           std::span<const size_t> marked) const;

 private:
  struct Impl;
  ChatTemplate(std::string where, std::string source, std::map<std::string, std::string> special_tokens);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lora
