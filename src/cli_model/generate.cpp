// `lora generate`: answers to one prompt, or to every row of a file.
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/output.h"
#include "cli_model/commands.h"
#include "cli_model/model_options.h"
#include "data/chat_jsonl.h"
#include "generate/generator.h"

namespace lora::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string prompt, system, data, format = "text";
  GenerateOptions generate;
  bool ignore_eos = false;
};

// How fast it was: of several prompts, on standard error.
void print_speed(const std::vector<Answer>& answers, double seconds) {
  size_t tokens = 0;
  for (const Answer& answer : answers) tokens += answer.ids.size();
  fmt::print(stderr, "{} answers, {} tokens in {:.2f} s ({:.1f} tokens/s)\n", answers.size(), tokens, seconds,
             static_cast<double>(tokens) / seconds);
}

std::vector<Conversation> read_prompts(const Options& options) {
  if (options.prompt.empty() == options.data.empty())
    throw Error::input({.where = "lora generate",
                        .found = options.prompt.empty() ? "nothing to answer" : "both --prompt and --data",
                        .expected = "--prompt TEXT or --data FILE.jsonl"});
  if (!options.data.empty()) {
    if (!options.system.empty())
      throw Error::input(
          {.where = "--system", .found = "it goes with --prompt; rows of a file have their own"});
    std::vector<Conversation> rows = read_prompts_jsonl(options.data);
    // Of a row with an answer, what comes before the answer is asked.
    for (Conversation& row : rows)
      if (row.messages.back().role == "assistant") row.messages.pop_back();
    return rows;
  }
  Conversation row;
  if (!options.system.empty()) row.messages.push_back({"system", options.system});
  row.messages.push_back({"user", options.prompt});
  return {row};
}

int execute(const Options& options) {
  const std::vector<Conversation> rows = read_prompts(options);
  const Session session = options.model.open();
  std::optional<Adapter> adapter;
  if (!options.model.adapter.empty()) adapter = session.load_adapter(options.model.adapter);
  std::vector<std::vector<int32_t>> prompts;
  for (const Conversation& row : rows)
    prompts.push_back(session.renderer().render_prompt(row.messages, row.tools));
  GenerateOptions generate_options = options.generate;
  if (!options.ignore_eos) generate_options.stop_ids = session.renderer().stop_ids();

  // One prompt in text: shown as it is written.
  const bool streams = options.format == "text" && prompts.size() == 1;
  StreamDecoder stream(session.tokenizer(), false);
  const auto began = std::chrono::steady_clock::now();
  const std::vector<Answer> answers = generate(
      session.decoder(), adapter ? &*adapter : nullptr, prompts, generate_options, [&](size_t, int32_t id) {
        if (interrupt_requested())
          throw Error(ErrorKind::kInterrupted, {.where = "generate", .found = "stopped"});
        if (streams) std::cout << stream.feed(id) << std::flush;
      });
  if (answers.size() > 1)
    print_speed(answers, std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  if (streams) {
    std::cout << stream.finish() << "\n";
    if (!answers[0].stopped)
      fmt::print(stderr, "(cut after {} tokens; --max-new-tokens N for more)\n", answers[0].ids.size());
    return 0;
  }
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::string text = session.tokenizer().decode(answers[i].ids);
    if (options.format == "text")
      fmt::print("[{}] {}{}\n", rows[i].line, text, answers[i].stopped ? "" : " (cut)");
    else
      json.push_back({{"line", rows[i].line},
                      {"prompt_ids", prompts[i]},
                      {"ids", answers[i].ids},
                      {"answer", text},
                      {"stopped", answers[i].stopped}});
  }
  if (options.format == "json") print_json(json);
  return 0;
}

}  // namespace

void add_generate(CLI::App& program, Action& action) {
  CLI::App* command = program.add_subcommand("generate", "answer a prompt, or every row of a file");
  auto options = std::make_shared<Options>();
  options->model.add_to(*command);
  command->add_option("--prompt", options->prompt, "what the user says");
  command->add_option("--system", options->system, "system prompt");
  command
      ->add_option("--data", options->data, "chat JSONL; a final answer in a row is not shown to the model")
      ->type_name("FILE.jsonl");
  command
      ->add_option("--max-new-tokens,--max_new_tokens", options->generate.max_new_tokens,
                   "limit of an answer")
      ->capture_default_str();
  command->add_option("--temperature", options->generate.sampling.temperature, "0: greedy")
      ->capture_default_str();
  command
      ->add_option("--top-k,--top_k", options->generate.sampling.top_k, "only the k likeliest tokens; 0: all")
      ->capture_default_str();
  command
      ->add_option("--top-p,--top_p", options->generate.sampling.top_p,
                   "only the likeliest tokens up to this probability")
      ->capture_default_str();
  command->add_option("--seed", options->generate.sampling.seed, "of sampling")->capture_default_str();
  command->add_flag("--ignore-eos,--ignore_eos", options->ignore_eos,
                    "every answer goes on to --max-new-tokens, to measure speed");
  command->add_option("--batch-size,--batch_size", options->generate.batch_size, "answers written together")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  add_format(*command, options->format);
  command->footer(
      "Examples:\n"
      "  lora generate model.gguf --prompt \"What is LoRA?\"\n"
      "  lora generate model.gguf --adapter outputs/first/adapter --data test.jsonl --format json\n"
      "  lora generate model.gguf --prompt Hi --temperature 0.7 --top-p 0.9 --seed 3");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
