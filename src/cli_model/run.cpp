// `lora run` and `lora train`.
#include <fmt/format.h>

#include <memory>

#include "cli/output.h"
#include "cli_model/commands.h"
#include "cli_model/config_options.h"
#include "cli_model/profile_option.h"
#include "eval/summary.h"
#include "report/run_page.h"
#include "run/pipeline.h"

namespace lora::cli {
namespace {

struct RunOptions {
  ConfigOptions config;
  ProfileOption profile;
  std::string format = "text";
};

nlohmann::ordered_json result_json(const PipelineResult& result, const std::string& output_dir) {
  nlohmann::ordered_json json{{"output_dir", output_dir},
                              {"adapter", output_dir + "/adapter"},
                              {"report", output_dir + "/report.html"}};
  const TrainReport& t = result.training;
  json["training"] = {
      {"steps", t.steps}, {"best_step", t.best_step}, {"seconds", t.seconds}, {"warnings", t.warnings}};
  if (t.first_eval_loss) json["training"]["eval_loss_first"] = *t.first_eval_loss;
  if (t.best_eval_loss) json["training"]["eval_loss_best"] = *t.best_eval_loss;
  json["notes"] = result.notes;
  if (result.evaluation) json["evaluation"] = summary_json(*result.evaluation);
  if (result.golden) json["golden"] = summary_json(*result.golden);
  return json;
}

void print_text(const PipelineResult& result, const std::string& output_dir) {
  const TrainReport& t = result.training;
  fmt::print("trained {} steps in {}", t.steps, duration_text(t.seconds));
  if (t.best_eval_loss)
    fmt::print("; held-out loss {:.4f} at step {}, which is kept", *t.best_eval_loss, t.best_step);
  fmt::print("\nadapter: {0}/adapter\nreport: {0}/report.html\n", output_dir);
  if (!result.evaluation) return;
  fmt::print("\n{}\n{}\n", result.primary_why, comparison_table(*result.evaluation));
  fmt::print("verdict: {}\n{}\n", verdict_name(result.evaluation->verdict), result.evaluation->sentence);
  if (result.golden)
    fmt::print("\ngolden rows, apart from the verdict:\n{}", comparison_table(*result.golden));
  fmt::print("every prompt with all answers: {}/eval/answers.jsonl\n", output_dir);
}

int execute(const RunOptions& options, Scope scope) {
  const RunConfig config = options.config.read();
  Progress progress;
  const PipelineResult result = options.profile.record(scope == Scope::kWholeRun ? "lora run" : "lora train",
                                                       [&] { return run_pipeline(config, scope, progress); });
  progress.clear();
  if (options.format == "json")
    print_json(result_json(result, config.output_dir));
  else
    print_text(result, config.output_dir);
  write_run_page(config.output_dir);  // last: what was found is said even where there is no room for a page
  return result.evaluation && result.evaluation->verdict == Verdict::kWorse ? 1 : 0;
}

void add(CLI::App& program, Action& action, const std::string& name, const std::string& what,
         const std::string& footer, Scope scope) {
  CLI::App* command = program.add_subcommand(name, what);
  auto options = std::make_shared<RunOptions>();
  options->config.add_to(*command);
  options->profile.add_to(*command);
  add_format(*command, options->format);
  command->footer(footer);
  command->callback(
      [options, scope, &action] { action = [options, scope] { return execute(*options, scope); }; });
}

}  // namespace

void add_run(CLI::App& program, Action& action) {
  add(program, action, "run", "split, ask the base, train, ask again, judge",
      "Examples:\n"
      "  lora run my.toml\n"
      "  lora run my.toml --learning-rate 1e-4 --output-dir outputs/slower\n"
      "  lora run --model m.gguf --train-data data.jsonl --output-dir outputs/first\n"
      "Ctrl-C saves a checkpoint; the same command goes on from it. Exit code 1: the tuned model is worse.",
      Scope::kWholeRun);
}

void add_train(CLI::App& program, Action& action) {
  add(program, action, "train", "train an adapter, without the comparison",
      "Examples:\n"
      "  lora train my.toml\n"
      "  lora train my.toml --max-steps 20 --output-dir outputs/short\n"
      "Ctrl-C saves a checkpoint; the same command goes on from it.",
      Scope::kTrainOnly);
}

}  // namespace lora::cli
