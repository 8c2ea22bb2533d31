// THE renderer: a conversation to token ids, and which of them are targets of the loss. Training, evaluation, chat,
// serving and export all go through it, so that they cannot disagree.
//
// The ids are those of transformers.apply_chat_template(tokenize=True): the whole text is tokenized once, nothing is
// added to what the template prints. Supervised are, per assistant turn, the tokens from the answer's first byte to
// the control token that ends it, that one included; a token that only in part belongs to the answer counts as a whole
// (as in Transformers' return_assistant_tokens_mask). Positions, never ids, decide.
//
// Where an answer starts: the text of the turns before it plus generation prompt, when that is a prefix of the whole
// text (then everything after it is what the model has to produce, and nothing that the prompt gives already is). Otherwise, since some templates print earlier turns
// differently once others follow, behind the generation prompt found in what the template itself put before the answer
// (before a tool call also the prompt's first lines, where it goes on to open reasoning); otherwise at the first byte of its content, which is traced through the template by input marks. Text that a message
// holds is never looked for by its spelling.
//
// Where it ends: of the control tokens that the template puts behind it whether or not the conversation goes on, at the
// last, or at the tokenizer's EOS or end of turn when that comes earlier (a call may be closed by tokens of its own, and
// some templates put one more token behind the very last answer). Where there is none, at the control token that opens
// the next turn, which is what stops generation in such families.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/conversation.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace lora {

// One assistant turn that is learned from. Token ranges are half-open.
struct Span {
  size_t message;               // index into Conversation::messages
  size_t text_begin, text_end;  // bytes of Rendered::text, the control token that ends it included
  size_t content_begin,
      content_end;  // bytes of what the message holds within it, from its first to its last text
  size_t token_begin, token_end;  // supervised tokens
};

struct Rendered {
  std::string text;
  std::vector<int32_t> ids;
  std::vector<uint8_t> supervised;  // 1: this token is a target of the loss; as long as ids
  size_t supervised_count = 0;
  std::vector<Span> turns;  // none in a plain-text row
};

class Renderer {
 public:
  // Both must outlive the object. A template that prints the date, where options give none, keeps today's: options()
  // has it, for whoever renders on another day. Errors: kInput naming the option that is not what it should be.
  Renderer(const Tokenizer& tokenizer, const ChatTemplate& chat_template, TemplateOptions options = {});

  const TemplateOptions& options() const { return options_; }

  // A whole row, for training and scoring. `source` names its file in errors ("train.jsonl").
  // A plain-text row (Conversation::text) is already formatted: BOS where the tokenizer starts plain text with it, the
  // text with its control tokens, EOS; all but the first token are supervised. As TRL's SFTTrainer does with
  // dataset_text_field, but a BOS or EOS that the text spells itself is not doubled.
  // Errors: kInput naming source, line and turn: no assistant turn; a control token spelled out in a message; an
  // answer that the template drops, repeats or does not end with a control token; a template that fails.
  Rendered render(const Conversation& conversation, const std::string& source = "") const;

  // Turns with the generation prompt, for generation. `tools`: of the row, in place of the options'. Errors as render().
  std::vector<int32_t> render_prompt(std::span<const Message> messages, const std::string& tools = "") const;

  // Ids that end an answer: what the template puts after one, the tokenizer's EOS and end of turn. Sorted.
  std::vector<int32_t> stop_ids() const;

  // Whether the template suits the vocabulary: a plain answer must end with a control token. Called once before work
  // begins, as a template chosen for a base model may need tokens that the model never had.
  // Errors: kInput saying what ends an answer instead.
  void check_end_of_turn() const;

  // SHA-256 over tokenizer, template and options.
  std::string fingerprint() const;

 private:
  struct Turn;  // what is known about one answer while it is found
  TemplateOptions options_for(const std::string& tools) const;
  void refuse_control_text(std::span<const Message> messages, const std::string& tools,
                           const std::string& where) const;
  Rendered render_plain(const Conversation& conversation, const std::string& where) const;
  size_t shown_of_prompt(std::string_view added, std::string_view between,
                         std::optional<size_t> common) const;
  void find_content(Turn& turn) const;
  void find_begin(Turn& turn) const;
  size_t find_end(const Turn& turn, const Encoding& encoding, const std::vector<int32_t>& ids) const;

  const Tokenizer* tokenizer_;
  const ChatTemplate* template_;
  TemplateOptions options_;
};

}  // namespace lora
