#include "endpoint/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "data/plain_text.h"

namespace lora {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostWords = 300;
constexpr size_t kShortestSecret = 6;              // "none", as local servers are given, is no secret
constexpr size_t kSurelySecret = 16;               // with letters and digits: no word of an answer
constexpr int64_t kMostTokens = int64_t{1} << 40;  // more is no count

[[noreturn]] void refuse(const std::string& where, const std::string& found, const std::string& expected) {
  throw Error::input({.where = where,
                      .found = found,
                      .expected = expected,
                      .fix = "Check base_url and model: an OpenAI-compatible server is needed."});
}

Json parse_part(const std::string& text, const std::string& what) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded())
    throw Error::input({.where = what, .found = "this is not JSON", .expected = "a JSON array"});
  return json;
}

std::string one_line(std::string_view text) {
  std::string line = repair_utf8(text.substr(0, kMostWords));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return line;
}

bool is_surely_secret(const std::string& key) {
  return key.size() >= kSurelySecret && std::any_of(key.begin(), key.end(), is_ascii_letter) &&
         std::any_of(key.begin(), key.end(), is_ascii_digit);
}

std::optional<int64_t> count_of(const Json& usage, const char* name) {
  const auto found = usage.find(name);
  if (found == usage.end() || !found->is_number_unsigned()) return std::nullopt;
  const uint64_t count = found->get<uint64_t>();
  if (count > static_cast<uint64_t>(kMostTokens)) return std::nullopt;
  return static_cast<int64_t>(count);
}

// Content may be a text, or a list of parts of which those of type "text" count.
std::optional<std::string> content_of(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return std::nullopt;
  std::string text;
  for (const Json& part : content) {
    if (!part.is_object() || !part.contains("text") || !part["text"].is_string()) return std::nullopt;
    text += part["text"].get<std::string>();
  }
  return text;
}

}  // namespace

std::string request_text(const std::string& model, const ChatRequest& request) {
  Json json{{"model", model}};
  json["messages"] = Json::array();
  for (const Message& message : request.messages) {
    Json& added = json["messages"].emplace_back(Json{{"role", message.role}, {"content", message.content}});
    if (!message.tool_calls.empty()) added["tool_calls"] = parse_part(message.tool_calls, "tool_calls");
    if (!message.name.empty()) added["name"] = message.name;
    if (!message.tool_call_id.empty()) added["tool_call_id"] = message.tool_call_id;
  }
  if (!request.tools.empty()) json["tools"] = parse_part(request.tools, "tools");
  if (request.temperature) json["temperature"] = *request.temperature;
  if (request.max_tokens > 0) json[request.max_tokens_field] = request.max_tokens;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ChatReply parse_completion(std::string_view body, const std::string& where, const std::string& secret) {
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded())
    refuse(where, fmt::format("the answer is not JSON: \"{}\"", error_in_words(body, secret)),
           "a chat completion");
  if (!json.is_object())
    refuse(where, fmt::format("the answer is a JSON {}", json.type_name()), "an object with \"choices\"");
  if (const auto error = json.find("error"); error != json.end() && !error->is_null())
    refuse(where, fmt::format("the server answers with an error: {}", error_in_words(body, secret)),
           "a chat completion");
  const auto choices = json.find("choices");
  if (choices == json.end()) refuse(where, "the answer has no \"choices\"", "an array with one choice");
  if (!choices->is_array() || choices->empty())
    refuse(where,
           choices->is_array() ? std::string("\"choices\" is empty")
                               : fmt::format("\"choices\" is a JSON {}", choices->type_name()),
           "an array with one choice");
  const Json& choice = (*choices)[0];
  if (!choice.is_object() || !choice.contains("message") || !choice["message"].is_object())
    refuse(where, "the first choice has no object \"message\"", "{\"message\": {\"content\": \"…\"}}");
  const Json& message = choice["message"];

  ChatReply reply;
  const auto content = message.find("content");
  const bool has_content = content != message.end() && !content->is_null();
  if (has_content) {
    const auto text = content_of(*content);
    if (!text)
      refuse(where, fmt::format("\"content\" is a JSON {}", content->type_name()),
             "a string, or parts of text");
    reply.text = *text;
  }
  const auto calls = message.find("tool_calls");
  const bool has_calls = calls != message.end() && calls->is_array() && !calls->empty();
  if (has_calls) {
    if (!reply.text.empty()) reply.text += "\n";
    reply.text += calls->dump(-1, ' ', false, Json::error_handler_t::replace);
  } else if (!has_content) {
    const auto refusal = message.find("refusal");
    if (refusal == message.end() || !refusal->is_string())
      refuse(where, "\"message\" has no \"content\"", "{\"message\": {\"content\": \"…\"}}");
    reply.text = refusal->get<std::string>();
  }
  if (const auto reason = choice.find("finish_reason"); reason != choice.end() && reason->is_string())
    reply.finish_reason = reason->get<std::string>();
  if (const auto model = json.find("model"); model != json.end() && model->is_string())
    reply.model = one_line(is_surely_secret(secret) ? without_secret(model->get<std::string>(), secret)
                                                    : model->get<std::string>());
  if (const auto usage = json.find("usage"); usage != json.end() && usage->is_object()) {
    reply.prompt_tokens = count_of(*usage, "prompt_tokens");
    reply.completion_tokens = count_of(*usage, "completion_tokens");
  }
  return reply;
}

std::string error_in_words(std::string_view body, const std::string& secret) {
  // Taken out before the text is cut: half a key would not be found.
  const auto words = [&](std::string text) { return one_line(without_secret(std::move(text), secret)); };
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_object() && json.contains("error")) {
    const Json& error = json["error"];
    if (error.is_string()) return words(error.get<std::string>());
    if (error.is_object() && error.contains("message") && error["message"].is_string())
      return words(error["message"].get<std::string>());
  }
  return words(std::string(body));
}

std::string without_secret(std::string text, const std::string& secret) {
  if (secret.size() < kShortestSecret) return text;
  constexpr std::string_view kShown = "[key]";
  for (size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += kShown.size())
    text.replace(at, secret.size(), kShown);
  return text;
}

bool repeats_secret(const ChatReply& reply, const std::string& secret) {
  return is_surely_secret(secret) && (reply.text.find(secret) != std::string::npos ||
                                      reply.finish_reason.find(secret) != std::string::npos);
}

}  // namespace lora
