// Chat templates and the renderer from the command line, for comparison with jinja2 (tests/parity). JSON Lines in and out:
//   template_tool text BOS EOS            {"file":…, or "source":…, or "builtin":…, …}  -> {"text":…,"marks":[[begin,end,message]…]}
//   template_tool render MODEL [TEMPLATE] {…}  -> {"text":…,"ids":[…],"supervised":[…],"turns":[…]}
//   template_tool prompt MODEL [TEMPLATE] {…}  -> {"ids":[…]}
//   template_tool stops MODEL [TEMPLATE]  nothing  -> {"stop_ids":[…],"fingerprint":…}
//   template_tool tokens MODEL            nothing  -> {"bos":…,"eos":…,"control":[…],"template":…}
// A row holds "messages", or "text", and may hold "add_generation_prompt", "tools", "enable_thinking", "date", "extra".
// A row that fails gives {"error":…}. MODEL: a GGUF file or a Hugging Face folder. TEMPLATE: a file, or one of ours.
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "files/checkpoint.h"
#include "json_lines.h"
#include "text/builtin_templates.h"
#include "text/chat_template.h"
#include "text/render.h"
#include "text/tokenizer.h"

namespace {

using namespace lora;
// Keeps the order of keys, which templates print.
using json = nlohmann::ordered_json;

std::vector<Message> read_messages(const json& row) {
  std::vector<Message> messages;
  for (const json& m : row.value("messages", json::array())) {
    Message message{m.at("role"), m.value("content", "")};
    if (m.contains("tool_calls")) message.tool_calls = m["tool_calls"].dump();
    message.name = m.value("name", "");
    message.tool_call_id = m.value("tool_call_id", "");
    message.train = m.value("train", true);
    messages.push_back(std::move(message));
  }
  return messages;
}

TemplateOptions read_options(const json& row) {
  TemplateOptions options;
  if (row.contains("tools") && !row["tools"].is_null()) options.tools = row["tools"].dump();
  if (row.contains("enable_thinking")) options.enable_thinking = row["enable_thinking"].get<bool>();
  options.date = row.value("date", "");
  if (row.contains("extra")) options.extra = row["extra"].dump();
  return options;
}

int text(const std::string& bos, const std::string& eos) {
  std::map<std::string, ChatTemplate> read;
  return for_each_line<json>([&](const json& row) {
    const std::string name = row.value("builtin", "");
    const std::string source = row.contains("source") ? row["source"].get<std::string>()
                               : !name.empty()        ? std::string(find_builtin_template(name)->source)
                                                      : read_file(row.at("file").get<std::string>());
    auto found = read.find(source);
    if (found == read.end()) found = read.emplace(source, ChatTemplate::from_source(source, bos, eos)).first;
    const MarkedText marked = found->second.render_marked(
        read_messages(row), row.value("add_generation_prompt", false), read_options(row));
    json marks = json::array();
    for (const MessageMark& mark : marked.marks) marks.push_back({mark.begin, mark.end, mark.message});
    return json{{"text", marked.text}, {"marks", marks}};
  });
}

json rendered(const Renderer& renderer, const json& row) {
  const Rendered r = renderer.render({.messages = read_messages(row), .text = row.value("text", "")});
  json turns = json::array();
  for (const Span& span : r.turns)
    turns.push_back({{"message", span.message}, {"begin", span.text_begin}, {"end", span.text_end}});
  return {{"text", r.text}, {"ids", r.ids}, {"supervised", r.supervised}, {"turns", turns}};
}

int tokens(const std::string& path) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  const auto tokenizer = Tokenizer::from_checkpoint(checkpoint);
  const auto spelled = [&](std::optional<int32_t> id) {
    return id ? std::string(tokenizer->token_bytes(*id)) : "";
  };
  json control = json::array();
  for (size_t id = 0; id < tokenizer->vocab_size(); ++id)
    if (tokenizer->is_control(static_cast<int32_t>(id))) control.push_back(spelled(static_cast<int32_t>(id)));
  const bool is_gguf = checkpoint.is_gguf();
  const auto own = is_gguf ? checkpoint.gguf().optional_string("tokenizer.chat_template") : std::nullopt;
  std::cout << json{{"bos", spelled(tokenizer->bos_id())},
                    {"eos", spelled(tokenizer->eos_id())},
                    {"control", control},
                    {"template", std::string(own.value_or(""))}}
                   .dump(-1, ' ', false, json::error_handler_t::replace)
            << '\n';
  return 0;
}

int run(const std::vector<std::string>& args) {
  const std::string command = args.empty() ? "" : args[0];
  if (command == "text" && args.size() == 3) return text(args[1], args[2]);
  if (command == "tokens" && args.size() == 2) return tokens(args[1]);
  if ((command == "render" || command == "prompt" || command == "stops") && args.size() >= 2) {
    const Checkpoint checkpoint = Checkpoint::open(args[1]);
    const auto tokenizer = Tokenizer::from_checkpoint(checkpoint);
    const ChatTemplate chat_template =
        ChatTemplate::from_checkpoint(checkpoint, args.size() > 2 ? args[2] : "");
    if (command == "stops") {
      const Renderer renderer(*tokenizer, chat_template);
      renderer.check_end_of_turn();
      std::cout << json{{"stop_ids", renderer.stop_ids()}, {"fingerprint", renderer.fingerprint()}} << '\n';
      return 0;
    }
    return for_each_line<json>([&](const json& row) {
      const Renderer renderer(*tokenizer, chat_template, read_options(row));
      if (command == "prompt") return json{{"ids", renderer.render_prompt(read_messages(row))}};
      return rendered(renderer, row);
    });
  }
  std::cerr
      << "usage: template_tool text|render|prompt|stops|tokens …; see the head of tools/template_tool.cpp\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
