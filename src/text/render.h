// THE renderer: a conversation to token ids, and which of them are targets of the loss. Training, evaluation, chat,
// serving and export all go through it, so that they cannot disagree.
//
// The ids are those of transformers.apply_chat_template(tokenize=True): the whole text is tokenized once, nothing is
// added to what the template prints. Supervised are, per assistant turn, the tokens from the answer's first byte to
// the first control token at or after the content's end, that one included; a token that only in part belongs to the
// answer counts as a whole (as in Transformers' return_assistant_tokens_mask). Positions, never ids, decide.
//
// Where an answer starts: the text of the turns before it plus generation prompt, when that is a prefix of the whole
// text (then everything after it is what the model has to produce); otherwise the first byte of its content, which is
// traced through the template by input marks. Nothing is ever looked for by its spelling.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/conversation.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace lora {

// One assistant turn. Token ranges are half-open.
struct Span {
  size_t message;                     // index into Conversation::messages
  size_t text_begin, text_end;        // bytes of Rendered::text, the control token that ends it included
  size_t content_begin, content_end;  // bytes of the message's content within it
  size_t token_begin, token_end;      // supervised tokens
};

struct Rendered {
  std::string text;
  std::vector<int32_t> ids;
  std::vector<uint8_t> supervised;  // 1: this token is a target of the loss; as long as ids
  size_t supervised_count = 0;
  std::vector<Span> turns;
};

class Renderer {
 public:
  // Both must outlive the object.
  Renderer(const Tokenizer& tokenizer, const ChatTemplate& chat_template)
      : tokenizer_(&tokenizer), template_(&chat_template) {}

  // A whole conversation, for training and scoring. `source` names its file in errors ("train.jsonl").
  // Errors: kInput naming source, line and turn: no assistant turn; a control token spelled out in a message; an
  // answer that the template drops, repeats or does not end with a control token; a template that fails.
  Rendered render(const Conversation& conversation, const std::string& source = "") const;

  // Turns with the generation prompt, for generation. Errors as render().
  std::vector<int32_t> render_prompt(std::span<const Message> messages) const;

  // Ids that end an answer: what the template puts after one, the tokenizer's EOS and end of turn. Sorted.
  std::vector<int32_t> stop_ids() const;

  // SHA-256 over tokenizer and template.
  std::string fingerprint() const;

 private:
  void refuse_control_text(std::span<const Message> messages, const std::string& where) const;
  size_t answer_begin(std::span<const Message> messages, size_t turn, const MarkedText& whole,
                      size_t content_begin, const std::string& where) const;

  const Tokenizer* tokenizer_;
  const ChatTemplate* template_;
};

}  // namespace lora
