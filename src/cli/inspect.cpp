// `lora inspect`: a row of data as the model is trained on it, token by token.
#include <unistd.h>

#include <memory>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "data/chat_jsonl.h"
#include "text/text_session.h"

namespace lora::cli {
namespace {

struct Options {
  std::string model, data, format = "text";
  TextOptions text;
  size_t row = 1;
};

// A token's text with line breaks and other invisible characters made visible.
std::string visible(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c == '\n')
      text += "\\n";
    else if (c == '\t')
      text += "\\t";
    else if (c == '\r')
      text += "\\r";
    else if (static_cast<unsigned char>(c) < 32)
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      text += c;
  }
  return text;
}

int execute(const Options& options) {
  const TextSession session(options.model, options.text);
  const std::vector<Conversation> rows = read_rows(options.data).rows;
  if (options.row < 1 || options.row > rows.size())
    throw Error::input({.where = "--row",
                        .found = fmt::format("there is no row {}", options.row),
                        .expected = fmt::format("1 to {}", rows.size())});
  const Rendered rendered = session.renderer().render(rows[options.row - 1], options.data);
  if (options.format == "json") {
    nlohmann::ordered_json json{{"row", options.row},
                                {"line", rows[options.row - 1].line},
                                {"text", rendered.text},
                                {"tokens", rendered.ids.size()},
                                {"supervised_tokens", rendered.supervised_count}};
    json["ids"] = rendered.ids;
    json["supervised"] = rendered.supervised;
    print_json(json);
    return 0;
  }
  // Supervised tokens are green on a terminal; between brackets elsewhere, so that a file shows them too.
  const bool colour = ::isatty(STDOUT_FILENO) != 0;
  bool was_supervised = false;
  for (size_t i = 0; i < rendered.ids.size(); ++i) {
    const bool supervised = rendered.supervised[i] != 0;
    const std::string text = visible(session.tokenizer().token_bytes(rendered.ids[i]));
    if (colour) {
      fmt::print("{}{}\033[0m\033[2m·\033[0m", supervised ? "\033[30;42m" : "", text);
    } else {
      if (supervised != was_supervised) fmt::print("{}", supervised ? "[[" : "]]");
      fmt::print("{}|", text);
    }
    if (text.ends_with("\\n")) fmt::print("\n");
    was_supervised = supervised;
  }
  if (!colour && was_supervised) fmt::print("]]");
  fmt::print(
      "\n\n{} tokens, {} supervised in {} turn{} ({})\n", rendered.ids.size(), rendered.supervised_count,
      rendered.turns.size(), rendered.turns.size() == 1 ? "" : "s",
      colour ? "green: the loss is taken on these" : "[[ ]]: the loss is taken on these; | ends a token");
  return 0;
}

}  // namespace

void add_inspect(CLI::App& program, Action& action) {
  CLI::App* command =
      program.add_subcommand("inspect", "show a row of data token by token, and what is trained on");
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "GGUF file or Hugging Face folder")
      ->required()
      ->type_name("MODEL");
  command->add_option("data", options->data, "data file (chat JSONL, ShareGPT, Alpaca, …)")
      ->required()
      ->type_name("DATA.jsonl");
  command->add_option("--chat-template,--chat_template", options->text.chat_template,
                      "a template's file, or chatml, llama3, mistral, gemma, phi3, …");
  command->add_option("--row", options->row, "which row, from 1")->capture_default_str();
  add_format(*command, options->format);
  command->footer("Example:\n  lora inspect model.gguf data.jsonl --row 3");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
