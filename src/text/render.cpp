#include "text/render.h"

#include <algorithm>
#include <ctime>
#include <optional>

#include "base/error.h"
#include "base/hash.h"

namespace lora {
namespace {

std::string place(const std::string& source, size_t line) {
  std::string where = source;
  if (line) where += (where.empty() ? "line " : ":") + std::to_string(line);
  return where.empty() ? "conversation" : where;
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

size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

// What the template prints from byte `begin`, behind the texts of a message, up to the first text of another one.
std::string_view tail_from(const MarkedText& marked, size_t begin, size_t message) {
  size_t end = marked.text.size();
  for (const MessageMark& mark : marked.marks)
    if (mark.message != message && mark.begin >= begin) end = std::min(end, mark.begin);
  return std::string_view(marked.text).substr(begin, end - begin);
}

// Where the last text of a message ends; npos when none is shown.
size_t end_of(const MarkedText& marked, size_t message) {
  size_t end = std::string::npos;
  for (const MessageMark& mark : marked.marks)
    if (mark.message == message) end = mark.end;
  return end;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[16];
  std::strftime(buffer, sizeof buffer, "%Y-%m-%d", &local);
  return buffer;
}

}  // namespace

struct Renderer::Turn {
  std::span<const Message> messages;
  size_t index;
  const MarkedText& whole;
  const TemplateOptions& options;
  std::string where;
  Span span;
  size_t before = 0;  // where what other messages hold before the answer ends
  size_t limit = 0;   // where what other messages hold behind the answer begins; else the text's end
  std::optional<MarkedText> own = {};  // the conversation up to this turn, when others follow

  const Message& message() const { return messages[index]; }
  // The text that the first `count` messages alone give; nullopt: some templates refuse a conversation cut there.
  std::optional<std::string> part(const ChatTemplate& chat_template, size_t count, bool prompt) const {
    try {
      return chat_template.render(messages.first(count), prompt, options);
    } catch (const Error&) {
      return std::nullopt;
    }
  }
  // The same with one more message behind them.
  std::optional<MarkedText> extended(const ChatTemplate& chat_template, size_t count,
                                     const Message& more) const {
    std::vector<Message> longer(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count));
    longer.push_back(more);
    try {
      return chat_template.render_marked(longer, false, options);
    } catch (const Error&) {
      return std::nullopt;
    }
  }
  [[noreturn]] void refuse(const char* found, const char* expected, const char* fix) const {
    throw Error::input({.where = where, .found = found, .expected = expected, .fix = fix});
  }
};

Renderer::Renderer(const Tokenizer& tokenizer, const ChatTemplate& chat_template, TemplateOptions options)
    : tokenizer_(&tokenizer), template_(&chat_template), options_(std::move(options)) {
  if (template_->uses_date() && options_.date.empty()) options_.date = today();
  // What is wrong with the options is said now, not at the first row.
  if (options_ != TemplateOptions()) ChatTemplate::from_source("", "", "").render({}, false, options_);
}

TemplateOptions Renderer::options_for(const std::string& tools) const {
  TemplateOptions out = options_;
  if (!tools.empty()) out.tools = tools;
  return out;
}

void Renderer::refuse_control_text(std::span<const Message> messages, const std::string& tools,
                                   const std::string& where) const {
  const auto check = [&](const std::string& text, const std::string& here) {
    const auto found = tokenizer_->find_control_text(text);
    if (found)
      throw Error::input({.where = here,
                          .found = "control token in text: \"" + found->token + "\" at byte " +
                                   std::to_string(found->position),
                          .expected = "plain text; the chat template alone writes control tokens",
                          .fix = "Remove it, or write it differently."});
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string here = where + ": message " + std::to_string(i + 1) + " (";
    check(messages[i].role, here + "role)");
    for (const std::string& text : with_place(where, [&] { return texts_of(messages[i]); }))
      check(text, here + messages[i].role + ")");
  }
  for (const std::string& text : with_place(where, [&] { return texts_of_json(tools, "tools"); }))
    check(text, where + ": tools");
}

// Where in `between` the generation prompt `added` ends. A prompt may open with more than a call shows, such as the
// beginning of reasoning: with `in_part`, as far as both agree, back to a line break or control token, but further than
// what any other message begins with (`common` bytes of it). npos: not there.
size_t Renderer::shown_of_prompt(std::string_view added, std::string_view between,
                                 std::optional<size_t> common) const {
  if (const size_t at = between.rfind(added); at != std::string_view::npos) return at + added.size();
  if (!common) return std::string_view::npos;
  const Encoding encoding = tokenizer_->encode_with_offsets(added, Special::kParse);
  std::vector<size_t> cuts;
  for (size_t i = 0; i < encoding.ids.size(); ++i)
    if (tokenizer_->is_control(encoding.ids[i])) cuts.push_back(encoding.end[i]);
  for (size_t at = added.find('\n'); at != std::string_view::npos; at = added.find('\n', at + 1))
    cuts.push_back(at + 1);
  std::sort(cuts.rbegin(), cuts.rend());
  for (const size_t cut : cuts) {
    if (cut <= *common) break;
    if (const size_t at = between.rfind(added.substr(0, cut)); at != std::string_view::npos) return at + cut;
  }
  return std::string_view::npos;
}

// Which bytes the message's own texts take. Its calls may be named again in the answers of tools, so what the turn
// shows when nothing follows it is compared.
void Renderer::find_content(Turn& turn) const {
  Span& span = turn.span;
  const MarkedText& whole = turn.whole;
  for (const MessageMark& mark : whole.marks) {
    if (mark.message != turn.index) continue;
    span.content_begin = std::min(span.content_begin, mark.begin);
    span.content_end = mark.end;
  }
  if (span.content_end == 0)
    turn.refuse(turn.message().content.empty() && turn.message().tool_calls.empty()
                    ? "the answer is empty"
                    : "the chat template drops or rewrites this answer",
                "the answer's own text in the rendered conversation",
                "Give the answer in full, or use a template that shows every answer.");
  if (turn.index + 1 < turn.messages.size()) {
    try {
      turn.own = template_->render_marked(turn.messages.first(turn.index + 1), false, turn.options);
    } catch (const Error&) {
      // Some templates refuse a conversation that is cut here.
    }
  }
  if (turn.own) {
    const size_t own_end = end_of(*turn.own, turn.index);
    for (const MessageMark& mark : turn.own->marks) {
      if (mark.message != turn.index) continue;
      const auto shown = std::string_view(turn.own->text).substr(mark.begin, own_end - mark.begin);
      if (!std::string_view(whole.text).substr(span.content_begin).starts_with(shown)) continue;
      span.content_end = span.content_begin + shown.size();
      break;
    }
  }
  for (const MessageMark& mark : whole.marks) {
    if (mark.message == turn.index) continue;
    if (mark.begin >= span.content_end)
      turn.limit = std::min(turn.limit, mark.begin);
    else if (mark.end <= span.content_begin)
      turn.before = std::max(turn.before, mark.end);
  }
}

void Renderer::find_begin(Turn& turn) const {
  Span& span = turn.span;
  const std::string& text = turn.whole.text;
  span.text_begin = span.content_begin;
  const auto prompt = turn.part(*template_, turn.index, true);
  if (prompt && !prompt->empty() && text.starts_with(*prompt)) {
    // A prompt that opens the reasoning may give the answer's first bytes: these are not the model's to produce.
    if (prompt->size() >= span.content_end)
      turn.refuse("the chat template's generation prompt covers the answer",
                  "an answer after the generation prompt",
                  "The template is inconsistent; give a corrected one.");
    span.text_begin = prompt->size();
    span.content_begin = std::max(span.content_begin, span.text_begin);
    return;
  }
  const auto without = prompt ? turn.part(*template_, turn.index, false) : std::nullopt;
  if (without && prompt->size() > without->size() && prompt->starts_with(*without)) {
    const std::string_view added = std::string_view(*prompt).substr(without->size());
    // What lies between the messages is the template's own text.
    const std::string_view between =
        std::string_view(text).substr(turn.before, span.content_begin - turn.before);
    std::optional<size_t> common;
    if (!turn.message().tool_calls.empty())
      if (const auto other = turn.extended(*template_, turn.index, {"user", "b"});
          other && other->text.starts_with(*without))
        common = common_prefix(added, std::string_view(other->text).substr(without->size()));
    if (const size_t shown = shown_of_prompt(added, between, common); shown != std::string_view::npos) {
      span.text_begin = turn.before + shown;
      return;
    }
  }
  if (!turn.message().tool_calls.empty())
    turn.refuse(
        "the chat template does not show where this tool call begins",
        "the generation prompt before the call",
        "Split the conversation so that the call is its last message, or leave it out (\"weight\": 0).");
}

size_t Renderer::find_end(const Turn& turn, const Encoding& encoding, const std::vector<int32_t>& ids) const {
  // What follows the answer whether the conversation ends there or goes on: a template may put something more at the
  // very end, and what follows in the middle opens the next turn.
  std::string_view other;
  std::optional<MarkedText> longer;
  if (turn.index + 1 < turn.messages.size()) {
    if (turn.own && end_of(*turn.own, turn.index) != std::string::npos)
      other = tail_from(*turn.own, end_of(*turn.own, turn.index), turn.index);
  } else {
    Message result{"tool", "b"};
    result.name = "f";
    result.tool_call_id = "abcdefghi";
    longer = turn.extended(*template_, turn.index + 1, {"user", "b"});
    if (!longer) longer = turn.extended(*template_, turn.index + 1, result);
    if (longer && end_of(*longer, turn.index) != std::string::npos)
      other = tail_from(*longer, end_of(*longer, turn.index), turn.index);
  }
  const std::string_view tail =
      other.substr(0, common_prefix(other, tail_from(turn.whole, turn.span.content_end, turn.index)));
  const size_t common_end = turn.span.content_end + tail.size();

  std::optional<size_t> first, last;
  for (size_t i = first_token_ending_after(encoding, turn.span.content_end - 1);
       i < ids.size() && encoding.begin[i] < turn.limit; ++i) {
    if (!tokenizer_->is_control(ids[i]) || encoding.begin[i] < turn.span.content_end) continue;
    if (!first) first = i;
    if (encoding.end[i] > common_end) break;
    last = i;
    if (ids[i] == tokenizer_->eos_id() || ids[i] == tokenizer_->eot_id()) break;
  }
  // Where nothing of the template's own ends an answer, what opens the next turn does: so it is in some families.
  if (!last) last = first;
  if (!last)
    turn.refuse("no control token ends this answer: the model would never learn to stop",
                "a token such as the end of turn or EOS after the answer",
                "Use a chat template that ends each answer with the model's end token.");
  return *last + 1;
}

Rendered Renderer::render_plain(const Conversation& conversation, const std::string& where) const {
  Rendered out;
  out.text = conversation.text;
  Encoding encoding = tokenizer_->encode_with_offsets(out.text, Special::kParse);
  out.ids = std::move(encoding.ids);
  if (out.ids.empty()) throw Error::input({.where = where, .found = "the text is empty", .expected = "text"});
  const auto eos = tokenizer_->eos_id();
  if (!eos)
    throw Error::input({.where = where,
                        .found = "the tokenizer has no EOS to end a text with",
                        .fix = "Use rows of messages, whose template ends each answer."});
  const std::span<const int32_t> prefix = tokenizer_->prefix_ids();
  const bool has_prefix =
      out.ids.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), out.ids.begin());
  if (!has_prefix) out.ids.insert(out.ids.begin(), prefix.begin(), prefix.end());
  if (out.ids.back() != *eos) out.ids.push_back(*eos);
  for (const int32_t id : tokenizer_->suffix_ids())
    if (id != *eos) out.ids.push_back(id);
  out.text = tokenizer_->decode(out.ids);
  out.supervised.assign(out.ids.size(), 1);
  out.supervised.front() = 0;  // nothing predicts it
  out.supervised_count = out.ids.size() - 1;
  return out;
}

Rendered Renderer::render(const Conversation& conversation, const std::string& source) const {
  const auto& messages = conversation.messages;
  const std::string where = place(source, conversation.line);
  if (conversation.is_plain_text()) return render_plain(conversation, where);
  const TemplateOptions options = options_for(conversation.tools);
  refuse_control_text(messages, options.tools, where);

  std::vector<size_t> turns;
  bool has_answer = false;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant") continue;
    has_answer = true;
    if (messages[i].train) turns.push_back(i);
  }
  if (turns.empty())
    throw Error::input(
        {.where = where,
         .found = has_answer ? "every assistant message has weight 0" : "there is no assistant message",
         .expected = has_answer ? "at least one assistant message to learn from"
                                : "at least one message with role \"assistant\"",
         .fix = has_answer ? "Remove the weight of one, or the row."
                           : "Add the answer that the model should give."});

  const MarkedText whole =
      with_place(where, [&] { return template_->render_marked(messages, false, options); });
  Rendered out;
  out.text = whole.text;
  Encoding encoding = tokenizer_->encode_with_offsets(out.text, Special::kParse);
  out.ids = std::move(encoding.ids);
  out.supervised.assign(out.ids.size(), 0);

  size_t previous_end = 0;
  for (const size_t index : turns) {
    Turn turn{.messages = messages,
              .index = index,
              .whole = whole,
              .options = options,
              .where = where + ": message " + std::to_string(index + 1),
              .span = {.message = index,
                       .text_begin = 0,
                       .text_end = 0,
                       .content_begin = out.text.size(),
                       .content_end = 0,
                       .token_begin = 0,
                       .token_end = 0},
              .limit = out.text.size()};
    Span& span = turn.span;
    find_content(turn);
    find_begin(turn);
    if (span.text_begin < previous_end)
      turn.refuse("the chat template shows the answers overlapping or out of order", "",
                  "The template cannot be used for training.");
    // Another message's content within the answer would become a target.
    for (const MessageMark& mark : whole.marks)
      if (mark.message != index && mark.begin < span.content_end && mark.end > span.text_begin)
        turn.refuse("the chat template mixes another message into this answer", "",
                    "The template cannot be used for training.");

    span.token_begin = first_token_ending_after(encoding, span.text_begin);
    span.token_end = find_end(turn, encoding, out.ids);
    span.text_end = encoding.end[span.token_end - 1];
    for (size_t i = span.token_begin; i < span.token_end; ++i) out.supervised[i] = 1;
    out.supervised_count += span.token_end - span.token_begin;
    previous_end = span.text_end;
    out.turns.push_back(span);
  }
  return out;
}

std::vector<int32_t> Renderer::render_prompt(std::span<const Message> messages,
                                             const std::string& tools) const {
  const TemplateOptions options = options_for(tools);
  refuse_control_text(messages, options.tools, place("", 0));
  return tokenizer_->encode(template_->render(messages, true, options), Special::kParse);
}

std::vector<int32_t> Renderer::stop_ids() const {
  std::vector<int32_t> stops;
  if (const auto eos = tokenizer_->eos_id()) stops.push_back(*eos);
  if (const auto eot = tokenizer_->eot_id()) stops.push_back(*eot);
  // What ends an answer, in the middle and at the end of a conversation; not every template takes a system message,
  // or calls. Some formats end a call with a token of its own.
  const Message system{"system", "a"}, user{"user", "b"}, assistant{"assistant", "c"};
  Message call{"assistant", ""};
  call.tool_calls = R"([{"type":"function","id":"abcdefghi","function":{"name":"f","arguments":{"a":"b"}}}])";
  for (const std::vector<Message>& probe : {std::vector{user, assistant},
                                            {user, assistant, user, assistant},
                                            {system, user, assistant},
                                            {user, call}}) {
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

void Renderer::check_end_of_turn() const {
  std::optional<Error> first;
  for (const char* opening : {"user", "system"}) {
    std::vector<Message> probe{{"user", "b"}, {"assistant", "c"}};
    if (opening == std::string_view("system")) probe.insert(probe.begin(), {"system", "a"});
    try {
      render({.messages = probe});
      return;
    } catch (const Error& error) {
      if (!first) first = error;
    }
  }
  const std::string text = [&] {
    try {
      return template_->render(std::vector<Message>{{"user", "b"}, {"assistant", "c"}}, false, options_);
    } catch (const Error&) {
      return std::string();
    }
  }();
  // A template that takes neither probe may still take the data.
  if (text.empty()) return;
  throw Error::input(
      {.where = "chat template",
       .found = "an answer ends with " + text.substr(text.rfind('c') + 1) +
                ", none of which is a control token of this vocabulary",
       .expected = "the vocabulary's end-of-turn token or EOS behind each answer",
       .fix = "Choose a format that ends answers with EOS (--chat-template alpaca or zephyr), or a base "
              "model that has the tokens."});
}

std::string Renderer::fingerprint() const {
  std::string record = "lora renderer 1\n" + tokenizer_->fingerprint() + "\n" + template_->fingerprint();
  TemplateOptions seen = options_;
  if (!template_->uses_date()) seen.date.clear();
  if (seen != TemplateOptions()) {
    record += "\noptions";
    for (const std::string& part :
         {seen.tools, std::string(seen.enable_thinking ? *seen.enable_thinking ? "true" : "false" : ""),
          seen.date, seen.extra})
      record += '\0' + part;
  }
  return sha256_hex(record);
}

}  // namespace lora
