#include "text/render.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/hash.h"

namespace lora {
namespace {

std::string place(const std::string& source, size_t line, std::optional<size_t> message = {}) {
  std::string where = source;
  if (line) where += (where.empty() ? "line " : ":") + std::to_string(line);
  if (where.empty()) where = "conversation";
  if (message) where += ": message " + std::to_string(*message + 1);
  return where;
}

// Runs `work`, putting `where` before the place that a template's own error names.
template <typename Work>
auto with_place(const std::string& where, Work work) {
  try {
    return work();
  } catch (const Error& error) {
    ErrorParts parts = error.parts();
    parts.where = where + ": " + parts.where;
    throw Error(error.kind(), std::move(parts));
  }
}

// The first token that reaches past byte `position`.
size_t first_token_ending_after(const Encoding& encoding, size_t position) {
  return static_cast<size_t>(std::upper_bound(encoding.end.begin(), encoding.end.end(), position) -
                             encoding.end.begin());
}

}  // namespace

void Renderer::refuse_control_text(std::span<const Message> messages, const std::string& where) const {
  for (size_t i = 0; i < messages.size(); ++i) {
    for (const std::string* text : {&messages[i].role, &messages[i].content}) {
      const auto found = tokenizer_->find_control_text(*text);
      if (!found) continue;
      throw Error::input({.where = where + ": message " + std::to_string(i + 1) + " (" +
                                   (text == &messages[i].role ? "role" : messages[i].role) + ")",
                          .found = "control token in text: \"" + found->token + "\" at byte " +
                                   std::to_string(found->position),
                          .expected = "plain text; the chat template alone writes control tokens",
                          .fix = "Remove it, or write it differently."});
    }
  }
}

size_t Renderer::answer_begin(std::span<const Message> messages, size_t turn, const MarkedText& whole,
                              size_t content_begin, const std::string& where) const {
  std::string prompt;
  try {
    prompt = template_->render(messages.first(turn), true);
  } catch (const Error&) {
    return content_begin;  // some templates refuse a conversation that is cut here
  }
  if (prompt.empty() || !whole.text.starts_with(prompt)) return content_begin;
  if (prompt.size() > content_begin)
    throw Error::input({.where = where,
                        .found = "the chat template's generation prompt covers the beginning of the answer",
                        .expected = "an answer after the generation prompt",
                        .fix = "The template is inconsistent; give a corrected one."});
  return prompt.size();
}

Rendered Renderer::render(const Conversation& conversation, const std::string& source) const {
  const auto& messages = conversation.messages;
  const std::string where = place(source, conversation.line);
  refuse_control_text(messages, where);

  std::vector<size_t> turns;
  for (size_t i = 0; i < messages.size(); ++i)
    if (messages[i].role == "assistant") turns.push_back(i);
  if (turns.empty())
    throw Error::input({.where = where,
                        .found = "there is no assistant message",
                        .expected = "at least one message with role \"assistant\"",
                        .fix = "Add the answer that the model should give."});

  Rendered out;
  out.text = with_place(where, [&] { return template_->render(messages, false); });
  Encoding encoding = tokenizer_->encode_with_offsets(out.text, Special::kParse);
  out.ids = std::move(encoding.ids);
  out.supervised.assign(out.ids.size(), 0);

  size_t previous_end = 0;
  for (const size_t turn : turns) {
    const std::string here = place(source, conversation.line, turn);
    const MarkedText whole =
        with_place(here, [&] { return template_->render_marked(messages, false, {&turn, 1}); });
    if (whole.text != out.text)
      throw Error::input({.where = here,
                          .found = "the chat template gives another text the second time",
                          .fix = "The template must depend on the messages only."});
    if (whole.marks.empty())
      throw Error::input({.where = here,
                          .found = messages[turn].content.empty()
                                       ? "the answer is empty"
                                       : "the chat template drops or rewrites this answer",
                          .expected = "the answer's own text in the rendered conversation",
                          .fix = "Give the answer in full, or use a template that shows every answer."});
    Span span{.message = turn,
              .text_begin = 0,
              .text_end = 0,
              .content_begin = whole.marks.front().begin,
              .content_end = whole.marks.back().end,
              .token_begin = 0,
              .token_end = 0};
    span.text_begin = answer_begin(messages, turn, whole, span.content_begin, here);
    if (span.text_begin < previous_end)
      throw Error::input({.where = here,
                          .found = "the chat template shows the answers overlapping or out of order",
                          .fix = "The template cannot be used for training."});
    // Another message's content within the answer, or before its control token, would become a target.
    std::vector<size_t> others;
    for (size_t i = 0; i < messages.size(); ++i)
      if (i != turn) others.push_back(i);
    size_t limit = out.text.size();
    for (const ByteRange& mark : template_->render_marked(messages, false, others).marks) {
      if (mark.begin >= span.content_end) {
        limit = std::min(limit, mark.begin);
      } else if (mark.end > span.text_begin) {
        throw Error::input({.where = here,
                            .found = "the chat template mixes another message into this answer",
                            .fix = "The template cannot be used for training."});
      }
    }

    span.token_begin = first_token_ending_after(encoding, span.text_begin);
    size_t token = first_token_ending_after(encoding, span.content_end - 1);
    while (token < out.ids.size() &&
           !(tokenizer_->is_control(out.ids[token]) && encoding.begin[token] >= span.content_end))
      ++token;
    if (token >= out.ids.size() || encoding.begin[token] >= limit)
      throw Error::input({.where = here,
                          .found = "no control token ends this answer: the model would never learn to stop",
                          .expected = "a token such as the end of turn or EOS after the answer",
                          .fix = "Use a chat template that ends each answer with the model's end token."});
    span.token_end = token + 1;
    span.text_end = encoding.end[token];
    for (size_t i = span.token_begin; i < span.token_end; ++i) out.supervised[i] = 1;
    out.supervised_count += span.token_end - span.token_begin;
    previous_end = span.text_end;
    out.turns.push_back(span);
  }
  return out;
}

std::vector<int32_t> Renderer::render_prompt(std::span<const Message> messages) const {
  refuse_control_text(messages, place("", 0));
  return tokenizer_->encode(template_->render(messages, true), Special::kParse);
}

std::vector<int32_t> Renderer::stop_ids() const {
  std::vector<int32_t> stops;
  if (const auto eos = tokenizer_->eos_id()) stops.push_back(*eos);
  if (const auto eot = tokenizer_->eot_id()) stops.push_back(*eot);
  // What ends an answer, in the middle and at the end of a conversation; not every template takes a system message.
  const Message system{"system", "a"}, user{"user", "b"}, assistant{"assistant", "c"};
  for (const std::vector<Message>& probe :
       {std::vector{user, assistant}, {user, assistant, user, assistant}, {system, user, assistant}}) {
    try {
      const Rendered rendered = render({.messages = probe});
      for (const Span& span : rendered.turns) stops.push_back(rendered.ids[span.token_end - 1]);
    } catch (const Error&) {
      continue;
    }
  }
  std::sort(stops.begin(), stops.end());
  stops.erase(std::unique(stops.begin(), stops.end()), stops.end());
  return stops;
}

std::string Renderer::fingerprint() const {
  return sha256_hex("lora renderer 1\n" + tokenizer_->fingerprint() + "\n" + template_->fingerprint());
}

}  // namespace lora
