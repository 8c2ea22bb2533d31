// `lora eval`: base and tuned on held-out rows.
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/progress.h"
#include "cli/output.h"
#include "cli_model/commands.h"
#include "cli_model/model_options.h"
#include "data/chat_jsonl.h"
#include "eval/row_checks.h"
#include "report/run_page.h"
#include "run/config.h"
#include "run/evaluate.h"
#include "run/evaluation_folder.h"
#include "run/judging.h"
#include "run/latency.h"
#include "run/other_adapters.h"

namespace lora::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string data, output_dir, checks, config, format = "text";
  int64_t max_new_tokens = 0, batch_size = 32;
};

RunConfig read_config(const Options& options) {
  RunConfig config;
  if (!options.config.empty()) read_toml(config, options.config);
  return config;
}

DeclaredChecks declared_checks(const Options& options, const RunConfig& config) {
  if (!options.checks.empty()) return read_checks_file(options.checks);
  return config.checks_file.empty() ? config.checks : read_checks_file(config.checks_file);
}

int execute(const Options& options) {
  if (options.model.adapter.empty())
    throw Error::input(
        {.where = "--adapter", .found = "not given", .expected = "the folder of the adapter to judge"});
  require_evaluation_folder(options.output_dir);
  const RunConfig config = read_config(options);
  const std::vector<Conversation> rows = read_chat_jsonl(options.data);
  const Metrics metrics =
      choose_metrics(with_row_checks(declared_checks(options, config), rows, options.data), rows, {});
  check_endpoints(config.judging);
  const Session session = options.model.open();
  const Adapter adapter = session.load_adapter(options.model.adapter);
  for (const ContestantSettings& contestant : config.judging.contestants)
    if (!contestant.checkpoint.empty())
      throw Error::input({.where = contestant.place,
                          .found = "checkpoint names one of a `lora run` that this is not",
                          .fix = "Write adapter = \"outputs/…/checkpoints/step-30\"."});
  const std::vector<OtherAdapter> others = open_adapters(session, config.judging);
  const Questions questions = make_questions(session, rows, options.max_new_tokens, options.data);
  require_room(session, questions, options.max_new_tokens, options.data);

  const FolderLock lock = open_evaluation_folder(
      options.output_dir, evaluation_identity(session, options.model.adapter, rows, options.max_new_tokens));
  Progress progress;
  std::vector<ContestantAnswers> contestants = ask_adapters(session, {{"base", nullptr}, {"tuned", &adapter}},
                                                            others, questions, options.batch_size, progress);
  std::vector<LocalContestant> local{{&contestants[0], nullptr}, {&contestants[1], &adapter}};
  for (size_t i = 0; i < others.size(); ++i) local.push_back({&contestants[2 + i], &others[i].adapter});
  clear_old_results(options.output_dir);
  measure_latency(session, local, questions, latency_options(config), options.output_dir, progress);
  const JudgedEvaluation judged = judge_with_endpoints(config.judging, options.model.model, questions,
                                                       contestants, metrics, options.output_dir, progress);
  const Evaluation& evaluation = judged.evaluation;
  progress.clear();
  const std::filesystem::path folder = options.output_dir;
  write_chat_jsonl(folder / "questions.jsonl", rows, IfExists::kReplace);
  const std::string page = write_run_page(folder).string();
  if (judged.all_heard)
    finish_evaluation_folder(folder);
  else
    progress.print("note: give the same command again to ask only what is missing");
  if (options.format == "json") {
    print_json(summary_json(evaluation));
  } else {
    fmt::print("{}\n{}\nverdict: {}\n{}\nevery prompt with both answers: {}/answers.jsonl\nreport: {}\n",
               metrics.primary.why, comparison_table(evaluation), verdict_name(evaluation.verdict),
               evaluation.sentence, options.output_dir, page);
  }
  return evaluation.verdict == Verdict::kWorse ? 1 : 0;
}

}  // namespace

void add_eval(CLI::App& program, Action& action) {
  CLI::App* command = program.add_subcommand("eval", "compare a tuned model with its base on held-out rows");
  auto options = std::make_shared<Options>();
  options->model.add_to(*command);
  command->get_option("--adapter")
      ->description("folder of the LoRA adapter to judge (PEFT's format); must be given");
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
  auto* checks =
      command
          ->add_option("--checks", options->checks,
                       "what answers are judged by: [[check]] tables (TOML, or JSON in a .json file); "
                       "docs/checks.md")
          ->type_name("FILE");
  command
      ->add_option("--config", options->config,
                   "a run's configuration, of which checks, judge, contestants, endpoint_cache_dir, "
                   "latency_questions and price_per_hour are taken")
      ->type_name("FILE.toml")
      ->excludes(checks);
  command->add_option("--max-new-tokens,--max_new_tokens", options->max_new_tokens,
                      "limit of an answer; 0: by the longest reference answer");
  command->add_option("--batch-size,--batch_size", options->batch_size, "answers written together")
      ->check(CLI::Range(1, 4096));
  add_format(*command, options->format);
  command->footer(
      "Example:\n"
      "  lora eval model.gguf test.jsonl --adapter outputs/first/adapter --output-dir outputs/again\n"
      "Stopped, or left by an endpoint, it goes on when the same command is given again, and asks endpoints "
      "and judges only\n"
      "what is missing.\n"
      "Exit code 1: the tuned model is worse.");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
