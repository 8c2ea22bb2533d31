// `lora judge`: puts the recorded answers of a run before a judge, behind an endpoint or on this machine.
#include <filesystem>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/folder_lock.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "data/chat_jsonl.h"
#include "judging/config.h"
#include "judging/endpoint_judge.h"
#include "judging/judge_recorded.h"
#include "report/run_page.h"

namespace lora::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string folder, config, data, format = "text";
};

std::unique_ptr<JudgeModel> open_judge(const JudgeSettings& settings, const fs::path& cache,
                                       const OpenLocalJudge& open_local, Progress& progress) {
  const auto stop = [] { return interrupt_requested(); };
  if (settings.is_local()) return open_local(settings, cache, stop, progress);
  return std::make_unique<EndpointJudge>(settings.endpoint, cache, stop, progress);
}

int execute(const Options& options, const OpenLocalJudge& open_local) {
  const JudgingConfig config = read_judging_toml(options.config);
  if (!config.judge)
    throw Error::input({.where = options.config,
                        .found = "there is no table [judge]",
                        .expected = "[judge] with base_url and model, as in docs/judge.md"});
  if (config.judge->is_local() && !open_local) throw EngineNeeded();
  const ResultFolder found = find_results(options.folder);
  const FolderLock lock(found.folder);  // `lora run` and `lora eval` lock it too
  require_whole(found);
  const fs::path rows_file = options.data.empty() ? found.test_rows : fs::path(options.data);
  if (rows_file.empty())
    throw Error::input({.where = options.folder,
                        .found = "the rows that were asked are not in this folder",
                        .fix = "Give the file that `lora eval` was given with --data."});
  const RecordedAnswers recorded =
      read_recorded(found.results / "answers.jsonl", read_rows(rows_file).rows, rows_file.string());
  Progress progress;
  const fs::path cache =
      config.cache_dir.empty() ? found.results / "endpoint_cache" : fs::path(config.cache_dir);
  const std::unique_ptr<JudgeModel> judge = open_judge(*config.judge, cache, open_local, progress);
  const JudgedRun run =
      judge_recorded(*judge, *config.judge, recorded, judged_models(found.base_model, config), found.results);
  progress.clear();
  for (const std::string& note : run.notes) progress.print("note: " + note);
  // Where the results of an evaluation are whole, its page is made again, so that it shows what the judge said.
  const bool has_page = fs::exists(found.results / "summary.json");
  if (has_page) write_run_page(found.folder);
  if (options.format == "json") {
    print_json(nlohmann::ordered_json::parse(read_file(found.results / "judge.json")));
  } else {
    fmt::print("{}", judgement_text(run.judgement));
    if (run.verdict) fmt::print("{}\n", run.verdict->sentence);
    fmt::print("{}\n", judge->use_in_words());
    fmt::print("every pair: {0}/judge.jsonl; every word of the judge: {0}/judge_transcripts.jsonl\n",
               found.results.string());
    if (has_page) fmt::print("report: {}\n", (found.folder / "report.html").string());
  }
  return run.verdict && run.verdict->verdict == Verdict::kWorse ? 1 : 0;
}

}  // namespace

void add_judge(CLI::App& program, Action& action, OpenLocalJudge open_local) {
  CLI::App* command = program.add_subcommand(
      "judge", "put the answers of a finished run before a judge: an endpoint or a model");
  auto options = std::make_shared<Options>();
  command->add_option("folder", options->folder, "folder of a finished `lora run`, or of `lora eval`")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--config", options->config,
                   "TOML file with the table [judge]; other keys are passed over")
      ->required()
      ->type_name("FILE.toml");
  command
      ->add_option("--data", options->data, "the rows that were asked, where the folder does not have them")
      ->type_name("DATA.jsonl");
  add_format(*command, options->format);
  command->footer(
      "Example:\n"
      "  lora judge outputs/first --config judge.toml\n"
      "It sends the held-out questions and the answers to the URL in [judge], and nowhere else; with a local "
      "model as judge,\n"
      "nowhere at all. The key is read from the environment variable that api_key_env names. A second time "
      "costs nothing:\n"
      "answers are kept in the folder. Its report.html is made again.\n"
      "Exit code 1: the judge passed its controls and finds the tuned model worse.");
  command->callback([options, open_local = std::move(open_local), &action] {
    action = [options, open_local] { return execute(*options, open_local); };
  });
}

}  // namespace lora::cli
