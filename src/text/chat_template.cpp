#include "text/chat_template.h"

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "text/template_budget.h"
#include "text/tokenizer_config.h"

namespace lora {
namespace {

size_t line_at(std::string_view source, size_t position) {
  const auto end = source.begin() + static_cast<std::ptrdiff_t>(std::min(position, source.size()));
  return 1 + static_cast<size_t>(std::count(source.begin(), end, '\n'));
}

// The first line of an engine message, without its tags and source excerpts.
std::string plain_message(std::string message) {
  const size_t error = message.rfind("\nError: ");
  if (error != std::string::npos) message.erase(0, error + 8);
  for (const std::string_view tag : {"parser: ", "lexer: ", "Parser Error: "})
    if (message.starts_with(tag)) message.erase(0, tag.size());
  const size_t excerpt = message.find("\n...");
  return message.substr(0, excerpt);
}

// "at line 12, column 3" in an engine message; 0 when there is none.
size_t line_in(const std::string& message) {
  const size_t at = message.rfind(" at line ");
  return at == std::string::npos ? 0 : std::strtoul(message.c_str() + at + 9, nullptr, 10);
}

[[noreturn]] void refuse(const std::string& where, size_t line, const std::string& found) {
  throw Error::input({.where = where + (where.empty() ? "" : ", ") + "chat template" +
                               (line ? " line " + std::to_string(line) : ""),
                      .found = found,
                      .expected = {},
                      .fix = {}});
}

// The parser's message for the first `count` tokens; "" when they parse.
std::string parse_message(const jinja::lexer_result& lexed, size_t count) {
  jinja::lexer_result prefix;
  prefix.source = lexed.source;
  prefix.tokens.assign(lexed.tokens.begin(), lexed.tokens.begin() + static_cast<std::ptrdiff_t>(count));
  try {
    jinja::parse_from_tokens(prefix);
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

// Not every parser message knows its place. The shortest run of tokens that fails with the same words ends at it.
size_t parse_error_position(const jinja::lexer_result& lexed) {
  const std::string whole = parse_message(lexed, lexed.tokens.size());
  size_t good = 0, bad = lexed.tokens.size();
  while (bad - good > 1) {
    const size_t middle = good + (bad - good) / 2;
    (parse_message(lexed, middle) == whole ? bad : good) = middle;
  }
  return bad == 0 ? 0 : lexed.tokens[bad - 1].pos;
}

}  // namespace

struct ChatTemplate::Impl {
  std::string where, source;
  std::string engine_source;  // newlines made plain, as Jinja does
  std::map<std::string, std::string> special_tokens;
  std::shared_ptr<TemplateBudget> budget = std::make_shared<TemplateBudget>(TemplateLimits{});
  jinja::program program;
  std::mutex mutex;  // the program's slots and budget serve one render at a time
};

ChatTemplate::ChatTemplate(std::string where, std::string source,
                           std::map<std::string, std::string> special_tokens)
    : impl_(std::make_unique<Impl>()) {
  impl_->where = std::move(where);
  impl_->source = std::move(source);
  impl_->special_tokens = std::move(special_tokens);
  const TemplateLimits& limits = impl_->budget->limits();
  if (impl_->source.size() > limits.source_bytes)
    refuse(impl_->where, 0, "the template is longer than 1 MiB");
  if (!is_valid_utf8(impl_->source)) refuse(impl_->where, 0, "the template is not UTF-8");

  jinja::lexer_result lexed;
  size_t position = 0;
  try {
    // Jinja takes \r\n and \r for \n, and drops one newline at the end (keep_trailing_newline is off).
    std::string& source = impl_->engine_source;
    for (size_t i = 0; i < impl_->source.size(); ++i) {
      const char c = impl_->source[i];
      if (c == '\r' && i + 1 < impl_->source.size() && impl_->source[i + 1] == '\n') continue;
      source += c == '\r' ? '\n' : c;
    }
    if (source.ends_with('\n')) source.pop_back();
    lexed = jinja::lexer().tokenize(source);
    check_before_parsing(lexed, limits, position);
  } catch (const std::exception& error) {
    refuse(impl_->where, position ? line_at(impl_->engine_source, position) : 0, plain_message(error.what()));
  }
  try {
    impl_->program = jinja::parse_from_tokens(lexed);
  } catch (const std::exception& error) {
    refuse(impl_->where, line_at(lexed.source, parse_error_position(lexed)), plain_message(error.what()));
  }
  try {
    guard_program(impl_->program, impl_->budget);
  } catch (const std::exception& error) {
    refuse(impl_->where, 0, error.what());
  }
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

ChatTemplate ChatTemplate::from_source(std::string jinja, std::string bos_token, std::string eos_token) {
  std::map<std::string, std::string> tokens;
  if (!bos_token.empty()) tokens["bos_token"] = std::move(bos_token);
  if (!eos_token.empty()) tokens["eos_token"] = std::move(eos_token);
  return ChatTemplate("", std::move(jinja), std::move(tokens));
}

ChatTemplate ChatTemplate::from_checkpoint(const Checkpoint& checkpoint) {
  TemplateSource found =
      checkpoint.is_gguf() ? template_from_gguf(checkpoint.gguf()) : template_from_folder(checkpoint.path());
  if (found.source.empty())
    throw Error::input(
        {.where = checkpoint.path().string(),
         .found = "the model has no chat template",
         .expected = checkpoint.is_gguf()
                         ? "the key tokenizer.chat_template"
                         : "chat_template.jinja, or \"chat_template\" in tokenizer_config.json",
         .fix = "Use the instruction-tuned version of the model."});
  return ChatTemplate(checkpoint.path().string(), std::move(found.source), std::move(found.special_tokens));
}

const std::string& ChatTemplate::source() const {
  return impl_->source;
}

std::string ChatTemplate::fingerprint() const {
  std::string record = "lora chat template 1\n" + impl_->source;
  for (const auto& [name, token] : impl_->special_tokens) {
    record += '\0' + name;
    record += '\0' + token;
  }
  return sha256_hex(record);
}

std::string ChatTemplate::render(std::span<const Message> messages, bool add_generation_prompt) const {
  return render_marked(messages, add_generation_prompt, {}).text;
}

MarkedText ChatTemplate::render_marked(std::span<const Message> messages, bool add_generation_prompt,
                                       std::span<const size_t> marked) const {
  const std::scoped_lock lock(impl_->mutex);
  try {
    jinja::context context(impl_->engine_source);
    for (const auto& [name, token] : impl_->special_tokens)
      context.set_val(name, jinja::mk_val<jinja::value_string>(token));
    auto list = jinja::mk_val<jinja::value_array>();
    for (size_t i = 0; i < messages.size(); ++i) {
      auto message = jinja::mk_val<jinja::value_object>();
      auto content = jinja::mk_val<jinja::value_string>(messages[i].content);
      if (std::find(marked.begin(), marked.end(), i) != marked.end()) content->mark_input();
      message->insert("role", jinja::mk_val<jinja::value_string>(messages[i].role));
      message->insert("content", content);
      list->push_back(message);
    }
    context.set_val("messages", list);
    context.set_val("add_generation_prompt", jinja::mk_val<jinja::value_bool>(add_generation_prompt));
    context.set_val("tools", jinja::mk_val<jinja::value_none>());
    context.set_val("documents", jinja::mk_val<jinja::value_none>());
    guard_context(context, impl_->budget);
    impl_->budget->reset();

    MarkedText out;
    jinja::runtime runtime(context);
    const auto parts = jinja::runtime::gather_string_parts(runtime.execute(impl_->program));
    for (const auto& part : parts->val_str.parts) {
      if (part.is_input && !part.val.empty())
        out.marks.push_back({out.text.size(), out.text.size() + part.val.size()});
      out.text += part.val;
      if (out.text.size() > impl_->budget->limits().value_bytes)
        TemplateBudget::exceeded("more than 16 MiB of text");
    }
    return out;
  } catch (const std::bad_alloc&) {
    refuse(impl_->where, 0, "the template needs too much memory");
  } catch (const std::exception& error) {
    const std::string message = error.what();
    std::string plain = plain_message(message);
    constexpr std::string_view kRaised = "Jinja Exception: ";
    if (plain.starts_with(kRaised))
      plain = "the template refuses this conversation: " + plain.substr(kRaised.size());
    refuse(impl_->where, line_in(message), plain);
  }
}

}  // namespace lora
