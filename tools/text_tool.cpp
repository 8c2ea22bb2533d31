// The text room from the command line, for comparison with other programs (tests/parity). JSON Lines in and out:
//   text_tool encode MODEL [--text-specials]   "a text"                    -> {"ids":[…],"begin":[…],"end":[…]}
//   text_tool decode MODEL                     [1,2,3]                     -> "a text"
//   text_tool render MODEL [TEMPLATE]          {"messages":[…]}            -> {"text":…,"ids":[…],"supervised":[…]}
//   text_tool prompt MODEL [TEMPLATE]          {"messages":[…]}            -> {"ids":[…]}
//   text_tool template FILE BOS EOS            {"messages":[…],"add_generation_prompt":b} -> {"text":…}
//   text_tool info MODEL                       nothing                     -> stop ids, fingerprints
// A line that fails gives {"error":…}. MODEL: a GGUF file or a Hugging Face folder.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "files/checkpoint.h"
#include "json_lines.h"
#include "text/chat_template.h"
#include "text/render.h"
#include "text/tokenizer.h"

namespace {

using namespace lora;
using nlohmann::json;

std::vector<Message> read_messages(const json& row) {
  std::vector<Message> messages;
  for (const json& m : row.at("messages")) messages.push_back({m.at("role"), m.at("content")});
  return messages;
}

// A tokenizer alone does not need the weights of a Hugging Face folder.
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& path) {
  if (std::filesystem::is_directory(path)) return std::make_unique<Tokenizer>(vocabulary_from_folder(path));
  return std::make_unique<Tokenizer>(vocabulary_from_gguf(GgufFile::open(path)));
}

int run(const std::vector<std::string>& args) {
  const std::string command = args.empty() ? "" : args[0];
  if (command == "encode" && args.size() >= 2) {
    const auto tokenizer = open_tokenizer(args[1]);
    const Special special = args.size() > 2 ? Special::kText : Special::kParse;
    return for_each_line([&](const json& row) {
      const Encoding e = tokenizer->encode_with_offsets(row.get<std::string>(), special);
      return json{{"ids", e.ids}, {"begin", e.begin}, {"end", e.end}};
    });
  }
  if (command == "decode" && args.size() == 2) {
    const auto tokenizer = open_tokenizer(args[1]);
    return for_each_line(
        [&](const json& row) { return json(tokenizer->decode(row.get<std::vector<int32_t>>())); });
  }
  if (command == "template" && args.size() == 4) {
    const ChatTemplate chat_template = ChatTemplate::from_source(read_file(args[1]), args[2], args[3]);
    return for_each_line([&](const json& row) {
      return json{
          {"text", chat_template.render(read_messages(row), row.value("add_generation_prompt", false))}};
    });
  }
  if ((command == "render" || command == "prompt" || command == "info") && args.size() >= 2) {
    const Checkpoint checkpoint = Checkpoint::open(args[1]);
    const auto tokenizer = Tokenizer::from_checkpoint(checkpoint);
    const auto spelled = [&](std::optional<int32_t> id) {
      return id ? std::string(tokenizer->token_bytes(*id)) : "";
    };
    const ChatTemplate chat_template =
        args.size() > 2 ? ChatTemplate::from_source(read_file(args[2]), spelled(tokenizer->bos_id()),
                                                    spelled(tokenizer->eos_id()))
                        : ChatTemplate::from_checkpoint(checkpoint);
    const Renderer renderer(*tokenizer, chat_template);
    if (command == "info") {
      std::cout << json{{"stop_ids", renderer.stop_ids()},
                        {"tokenizer", tokenizer->fingerprint()},
                        {"template", chat_template.fingerprint()},
                        {"renderer", renderer.fingerprint()},
                        {"vocab_size", tokenizer->vocab_size()}}
                << '\n';
      return 0;
    }
    return for_each_line([&](const json& row) {
      if (command == "prompt") return json{{"ids", renderer.render_prompt(read_messages(row))}};
      const Rendered r = renderer.render({.messages = read_messages(row)});
      return json{{"text", r.text}, {"ids", r.ids}, {"supervised", r.supervised}};
    });
  }
  std::cerr << "usage: text_tool encode|decode|render|prompt|template|info …; see the head of "
               "tools/text_tool.cpp\n";
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
