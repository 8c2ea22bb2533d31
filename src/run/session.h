// A model opened for use: its files, its text, its decoder and, when one is given, an adapter that belongs to it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "deploy/peft.h"
#include "files/checkpoint.h"
#include "model/decoder.h"
#include "text/chat_template.h"
#include "text/render.h"
#include "text/tokenizer.h"

namespace lora {

// Tokenizer and template of a model, without its weights: enough to look at data. Not movable: the renderer points
// into it.
// How text is laid out, where it is not as the model itself says.
struct TextOptions {
  std::string chat_template;  // a name of text/builtin_templates.h or a file; "": the model's own
  TemplateOptions arguments;

  // Where nothing was chosen: what the adapter in `folder` was trained with.
  TextOptions or_as_trained(const std::filesystem::path& folder) const;
};

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

struct SessionOptions {
  int64_t threads = 0;     // 0: all cores
  bool reference = false;  // plain operations in place of the fused ones
  TextOptions text = {};
};

class Session {
 public:
  // Errors: kInput as the parts have them; kInput when tokenizer and embedding do not belong together.
  Session(const std::filesystem::path& model, const SessionOptions& options);

  const TextSession& text() const { return *text_; }
  const Renderer& renderer() const { return text_->renderer(); }
  const Tokenizer& tokenizer() const { return text_->tokenizer(); }
  const Decoder& decoder() const { return *decoder_; }

  // What an adapter trained in this session records.
  AdapterRecord record() const;
  // Loads an adapter of this base. Errors: kInput when it belongs to another base, tokenizer or template.
  Adapter load_adapter(const std::filesystem::path& folder) const;

 private:
  std::string base_path_;
  std::unique_ptr<TextSession> text_;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace lora
