// A model opened for its text alone: tokenizer, chat template, renderer. Enough to look at data; knows no weights.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "files/checkpoint.h"
#include "text/chat_template.h"
#include "text/render.h"
#include "text/tokenizer.h"

namespace lora {

// How text is laid out, where it is not as the model itself says.
struct TextOptions {
  std::string chat_template;  // a name of text/builtin_templates.h or a file; "": the model's own
  TemplateOptions arguments;
};

// Not movable: the renderer points into it.
class TextSession {
 public:
  // Errors: kInput as the parts have them, and when a chosen template does not end answers with a control token.
  explicit TextSession(const std::filesystem::path& model, const TextOptions& options = {});
  TextSession(const TextSession&) = delete;
  TextSession& operator=(const TextSession&) = delete;

  const Checkpoint& checkpoint() const { return checkpoint_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const ChatTemplate& chat_template() const { return template_; }
  const Renderer& renderer() const { return renderer_; }

 private:
  Checkpoint checkpoint_;
  std::unique_ptr<Tokenizer> tokenizer_;
  ChatTemplate template_;
  Renderer renderer_;
};

}  // namespace lora
