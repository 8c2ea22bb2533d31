#include "text/chat_template.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/builtin_templates.h"
#include "text/jinja/budget.h"
#include "text/jinja/json_value.h"
#include "text/jinja/runtime.h"
#include "text/jinja/syntax.h"
#include "text/tokenizer_config.h"

namespace lora {
namespace {

using jinja::Value;

[[noreturn]] void refuse(const std::string& where, size_t line, const std::string& found) {
  throw Error::input({.where = where + (where.empty() ? "" : ", ") + "chat template" +
                               (line ? " line " + std::to_string(line) : ""),
                      .found = found,
                      .expected = {},
                      .fix = {}});
}

// `expected`: "a JSON array" or "a JSON object".
Value parse_json(const std::string& json, const std::string& where, const char* expected, jinja::Kind kind,
                 std::optional<uint32_t> source = {}) {
  try {
    Value value = jinja::value_from_json(json, source, jinja::Limits());
    if (value.kind() == kind) return value;
    throw Error::input(
        {.where = where, .found = "JSON of type " + jinja::type_name(value), .expected = expected});
  } catch (const jinja::Failure& failure) {
    throw Error::input({.where = where, .found = failure.what(), .expected = expected});
  }
}

std::tm clock_at(const std::string& date) {
  std::tm out{};
  if (date.empty()) {
    const std::time_t now = std::time(nullptr);
    localtime_r(&now, &out);
    return out;
  }
  int year = 0, month = 0, day = 0, end = 0;
  const bool has_time = date.size() > 10;
  if (date.size() == 10)
    std::sscanf(date.c_str(), "%4d-%2d-%2d%n", &year, &month, &day, &end);
  else
    std::sscanf(date.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &out.tm_hour, &out.tm_min,
                &out.tm_sec, &end);
  using namespace std::chrono;
  const year_month_day ymd{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                           std::chrono::day(static_cast<unsigned>(day))};
  if (static_cast<size_t>(end) != date.size() || (has_time && date.size() != 19) || !ymd.ok() ||
      year < 1900 || out.tm_hour > 23 || out.tm_min > 59 || out.tm_sec > 59)
    throw Error::input({.where = "date of the chat template",
                        .found = "\"" + date + "\"",
                        .expected = "a date such as 2024-07-26, or 2024-07-26T13:30:00"});
  const sys_days days{ymd};
  out.tm_year = year - 1900;
  out.tm_mon = month - 1;
  out.tm_mday = day;
  out.tm_wday = static_cast<int>(weekday{days}.c_encoding());
  out.tm_yday = static_cast<int>((days - sys_days{ymd.year() / January / 1}).count());
  return out;
}

Value text_value(const std::string& text, std::optional<uint32_t> source = {}) {
  jinja::Text out(text);
  if (source) out.mark_all(*source);
  return Value::string(std::move(out));
}

Value message_value(const Message& message, size_t index) {
  const auto source = static_cast<uint32_t>(index);
  std::vector<std::pair<Value, Value>> items;
  const auto set = [&](const char* name, Value value) {
    items.emplace_back(text_value(name), std::move(value));
  };
  set("role", text_value(message.role));
  set("content", text_value(message.content, source));
  if (!message.tool_calls.empty())
    set("tool_calls", parse_json(message.tool_calls, "tool_calls of message " + std::to_string(index + 1),
                                 "a JSON array", jinja::Kind::kList, source));
  if (!message.name.empty()) set("name", text_value(message.name));
  if (!message.tool_call_id.empty()) set("tool_call_id", text_value(message.tool_call_id));
  return Value(jinja::Kind::kDict, std::make_shared<jinja::DictObject>(std::move(items)));
}

void collect_texts(const Value& value, std::vector<std::string>& out) {
  if (value.is_string()) out.push_back(value.text().bytes);
  if (value.is_list_or_tuple())
    for (const Value& item : value.items()) collect_texts(item, out);
  if (value.is_dict())
    for (const auto& [key, item] : value.dict().items) {
      out.push_back(key.text().bytes);
      collect_texts(item, out);
    }
}

}  // namespace

std::vector<std::string> texts_of_json(const std::string& json, const std::string& where) {
  std::vector<std::string> out;
  if (!json.empty()) collect_texts(parse_json(json, where, "a JSON array", jinja::Kind::kList), out);
  return out;
}

std::vector<std::string> texts_of(const Message& message) {
  std::vector<std::string> out = texts_of_json(message.tool_calls, "tool_calls");
  out.insert(out.end(), {message.content, message.name, message.tool_call_id});
  return out;
}

struct ChatTemplate::Impl {
  std::string where, source;
  std::map<std::string, std::string> special_tokens;
  bool is_override;
  jinja::Program program;
};

ChatTemplate::ChatTemplate(std::string where, std::string source,
                           std::map<std::string, std::string> special_tokens, bool is_override)
    : impl_(std::make_unique<Impl>(
          Impl{std::move(where), std::move(source), std::move(special_tokens), is_override, {}})) {
  const jinja::Limits limits;
  if (impl_->source.size() > limits.source_bytes)
    refuse(impl_->where, 0, "the template is longer than 1 MiB");
  if (!is_valid_utf8(impl_->source)) refuse(impl_->where, 0, "the template is not UTF-8");
  try {
    impl_->program = jinja::parse(impl_->source, limits);
  } catch (const jinja::Failure& failure) {
    refuse(impl_->where, failure.line, failure.what());
  }
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

ChatTemplate ChatTemplate::from_source(std::string jinja, std::string bos_token, std::string eos_token) {
  std::map<std::string, std::string> tokens;
  if (!bos_token.empty()) tokens["bos_token"] = std::move(bos_token);
  if (!eos_token.empty()) tokens["eos_token"] = std::move(eos_token);
  return ChatTemplate("", std::move(jinja), std::move(tokens), true);
}

ChatTemplate ChatTemplate::from_checkpoint(const Checkpoint& checkpoint, const std::string& choice) {
  TemplateSource found =
      checkpoint.is_gguf() ? template_from_gguf(checkpoint.gguf()) : template_from_folder(checkpoint.path());
  if (!choice.empty()) {
    if (const BuiltinTemplate* builtin = find_builtin_template(choice))
      return ChatTemplate("--chat-template " + choice, std::string(builtin->source),
                          std::move(found.special_tokens), true);
    if (!std::filesystem::is_regular_file(choice))
      throw Error::input({.where = "--chat-template " + choice,
                          .found = "neither a file nor the name of a template",
                          .expected = "a file, or one of " + builtin_template_names(),
                          .fix = {}});
    return ChatTemplate(choice, read_file(choice), std::move(found.special_tokens), true);
  }
  if (found.source.empty())
    throw Error::input(
        {.where = checkpoint.path().string(),
         .found = "the model has no chat template",
         .expected = checkpoint.is_gguf()
                         ? "the key tokenizer.chat_template"
                         : "chat_template.jinja, or \"chat_template\" in tokenizer_config.json",
         .fix = "Use the instruction-tuned version of the model, or say which format to teach a base model: "
                "--chat-template FILE, or one of " +
                builtin_template_names() + "."});
  return ChatTemplate(checkpoint.path().string(), std::move(found.source), std::move(found.special_tokens),
                      false);
}

const std::string& ChatTemplate::source() const {
  return impl_->source;
}

bool ChatTemplate::is_override() const {
  return impl_->is_override;
}

bool ChatTemplate::uses_date() const {
  return impl_->program.calls_strftime_now;
}

std::string ChatTemplate::fingerprint() const {
  std::string record = "lora chat template 1\n" + impl_->source;
  for (const auto& [name, token] : impl_->special_tokens) {
    record += '\0' + name;
    record += '\0' + token;
  }
  return sha256_hex(record);
}

std::string ChatTemplate::render(std::span<const Message> messages, bool add_generation_prompt,
                                 const TemplateOptions& options) const {
  return render_marked(messages, add_generation_prompt, options).text;
}

MarkedText ChatTemplate::render_marked(std::span<const Message> messages, bool add_generation_prompt,
                                       const TemplateOptions& options) const {
  std::vector<std::pair<std::string, Value>> variables;
  for (const auto& [name, token] : impl_->special_tokens) variables.emplace_back(name, text_value(token));
  std::vector<Value> list;
  for (size_t i = 0; i < messages.size(); ++i) list.push_back(message_value(messages[i], i));
  variables.emplace_back(
      "messages", Value(jinja::Kind::kList, std::make_shared<jinja::ListObject>(std::move(list), nullptr)));
  variables.emplace_back("add_generation_prompt", Value::boolean(add_generation_prompt));
  variables.emplace_back("documents", Value::none());
  variables.emplace_back("tools", options.tools.empty() ? Value::none()
                                                        : parse_json(options.tools, "tools", "a JSON array",
                                                                     jinja::Kind::kList));
  if (options.enable_thinking)
    variables.emplace_back("enable_thinking", Value::boolean(*options.enable_thinking));
  if (!options.extra.empty()) {
    const Value extra =
        parse_json(options.extra, "chat_template_kwargs", "a JSON object", jinja::Kind::kDict);
    for (const auto& [key, value] : extra.dict().items) {
      const std::string& name = key.text().bytes;
      // A special token may be given anew, as in Transformers; what is set above may not.
      const auto same = [&](const auto& variable) { return variable.first == name; };
      const auto old = std::find_if(variables.begin(), variables.end(), same);
      if (old != variables.end() && !impl_->special_tokens.contains(name))
        throw Error::input({.where = "chat_template_kwargs",
                            .found = "\"" + name + "\", which has an option of its own",
                            .expected = "other names"});
      if (old != variables.end())
        old->second = value;
      else
        variables.emplace_back(name, value);
    }
  }
  const std::tm now = clock_at(options.date);
  try {
    jinja::Budget budget{jinja::Limits()};
    jinja::Runtime runtime(impl_->program, budget, now);
    jinja::Text text = runtime.render(std::move(variables));
    MarkedText out{std::move(text.bytes), {}};
    for (const jinja::Mark& mark : text.marks) out.marks.push_back({mark.begin, mark.end, mark.source});
    return out;
  } catch (const jinja::Failure& failure) {
    refuse(impl_->where, failure.line,
           failure.raised ? std::string("the template refuses this conversation: ") + failure.what()
                          : failure.what());
  } catch (const std::bad_alloc&) {
    refuse(impl_->where, 0, "the template needs too much memory");
  }
}

}  // namespace lora
