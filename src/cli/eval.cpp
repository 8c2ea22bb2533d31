// `lora eval`: base and tuned on held-out rows.
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "data/chat_jsonl.h"
#include "run/evaluate.h"

namespace lora::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string data, output_dir, format = "text";
  int64_t max_new_tokens = 0, batch_size = 32;
};

int execute(const Options& options) {
  if (options.model.adapter.empty())
    throw Error::input(
        {.where = "--adapter", .found = "not given", .expected = "the folder of the adapter to judge"});
  if (std::filesystem::exists(options.output_dir) && !std::filesystem::is_empty(options.output_dir))
    throw Error::input({.where = options.output_dir,
                        .found = "the folder is not empty",
                        .fix = "Choose another --output-dir; nothing is overwritten."});
  const std::vector<Conversation> rows = read_chat_jsonl(options.data);
  const Session session = options.model.open();
  const Adapter adapter = session.load_adapter(options.model.adapter);
  std::error_code code;
  std::filesystem::create_directories(options.output_dir, code);
  if (code)
    throw Error::machine({.where = options.output_dir,
                          .found = "the folder cannot be made: " + code.message(),
                          .fix = "Choose an --output-dir that can be written."});

  const Questions questions = make_questions(session, rows, options.max_new_tokens, options.data);
  const Metrics metrics = choose_metrics(questions.references, {});
  Progress progress;
  const ContestantAnswers base = ask(session, nullptr, "base", questions, options.batch_size, progress);
  const ContestantAnswers tuned = ask(session, &adapter, "tuned", questions, options.batch_size, progress);
  const Evaluation evaluation = judge(questions, {base, tuned}, metrics, options.output_dir);
  progress.clear();
  if (options.format == "json") {
    print_json(summary_json(evaluation));
  } else {
    fmt::print("{}\n{}\nverdict: {}\n{}\nevery prompt with both answers: {}/answers.jsonl\n",
               metrics.primary.why, comparison_table(evaluation), verdict_name(evaluation.verdict),
               evaluation.sentence, options.output_dir);
  }
  return evaluation.verdict == Verdict::kWorse ? 1 : 0;
}

}  // namespace

void add_eval(CLI::App& program, Action& action) {
  CLI::App* command = program.add_subcommand("eval", "compare a tuned model with its base on held-out rows");
  auto options = std::make_shared<Options>();
  options->model.add_to(*command);
  command
      ->add_option("data", options->data,
                   "chat JSONL that was not trained on; the last answer is the reference")
      ->required()
      ->type_name("DATA.jsonl");
  command
      ->add_option("--output-dir,--output_dir", options->output_dir,
                   "folder for answers.jsonl and summary.json")
      ->required()
      ->type_name("DIR");
  command->add_option("--max-new-tokens,--max_new_tokens", options->max_new_tokens,
                      "limit of an answer; 0: by the longest reference answer");
  command->add_option("--batch-size,--batch_size", options->batch_size, "answers written together")
      ->check(CLI::Range(1, 4096));
  add_format(*command, options->format);
  command->footer(
      "Example:\n"
      "  lora eval model.gguf test.jsonl --adapter outputs/first/adapter --output-dir outputs/again\n"
      "Exit code 1: the tuned model is worse.");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
