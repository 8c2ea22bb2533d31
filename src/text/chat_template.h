// A model's chat template (Jinja), rendered as transformers.apply_chat_template does it: messages, tools, documents none,
// add_generation_prompt, bos_token/eos_token/…, and what options add. The interpreter is jinja/; it has its bounds.
// Does not make token ids: render.h does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/conversation.h"
#include "files/checkpoint.h"

namespace lora {

// What a template is told beside the messages. The same for training, evaluation, serving and export.
struct TemplateOptions {
  std::string tools = {};  // definitions: a JSON array as text; "" is none. A row's own take their place
  std::optional<bool> enable_thinking = {};  // not given: the template does not see the name
  std::string date = {};   // for strftime_now(): "2024-07-26", or "2024-07-26T13:30:00"; "" is now
  std::string extra = {};  // further arguments, Transformers' chat_template_kwargs: a JSON object as text

  bool operator==(const TemplateOptions&) const = default;
};

// Bytes of a rendered text that come from a message: its content, or the texts in its tool calls.
struct MessageMark {
  size_t begin, end;
  size_t message;
  bool operator==(const MessageMark&) const = default;
};

struct MarkedText {
  std::string text;
  std::vector<MessageMark> marks;  // in order; touching ones of one message are joined
};

class ChatTemplate {
 public:
  // `choice`: the name of one of ours (builtin_templates.h), or a file with a template; "": the model's own.
  // GGUF: tokenizer.chat_template. Hugging Face: chat_template.jinja, else "chat_template" of tokenizer_config.json
  // (of several, the one named "default"). Errors: kInput when there is none, or it does not parse (with its line).
  static ChatTemplate from_checkpoint(const Checkpoint& checkpoint, const std::string& choice = "");
  static ChatTemplate from_source(std::string jinja, std::string bos_token, std::string eos_token);

  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // As given: what is stored beside an adapter as chat_template.jinja.
  const std::string& source() const;
  // Whether it was chosen instead of the model's own.
  bool is_override() const;
  // Whether what it prints depends on TemplateOptions::date.
  bool uses_date() const;
  // SHA-256 over the source and the special tokens that it may print.
  std::string fingerprint() const;

  // Errors: kInput with the template's line when it raises, uses what is not supported, or passes a bound
  // (jinja/budget.h); kInput naming the option that is not what it should be. Thread-safe.
  std::string render(std::span<const Message> messages, bool add_generation_prompt,
                     const TemplateOptions& options = {}) const;
  // As above, with the places of the messages.
  MarkedText render_marked(std::span<const Message> messages, bool add_generation_prompt,
                           const TemplateOptions& options = {}) const;

 private:
  struct Impl;
  ChatTemplate(std::string where, std::string source, std::map<std::string, std::string> special_tokens,
               bool is_override);
  std::unique_ptr<Impl> impl_;
};

// Every text that a message or a definition of tools holds, as the template sees it: JSON's escapes are undone, so
// that a control token cannot hide in them. Errors: kInput when the JSON is none.
std::vector<std::string> texts_of(const Message& message);
std::vector<std::string> texts_of_json(const std::string& json, const std::string& where);

}  // namespace lora
