// `lora review`: a page on which people choose between two answers blindly, and the counting of their votes.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "report/review_page.h"
#include "report/review_votes.h"
#include "report/run_record.h"

namespace lora::cli {
namespace {

struct Options {
  std::string folder, output, format = "text";
  ReviewOptions review;
  std::vector<std::string> votes;
};

int count_votes(const Options& options, const RunRecord& run) {
  const ReviewResult result =
      read_votes(*run.evaluation, {options.votes.begin(), options.votes.end()}, run.results / "judge.jsonl");
  if (options.format == "json")
    print_json(review_json(result));
  else
    fmt::print("{}", review_in_words(result));
  return 0;
}

int execute(const Options& options) {
  const RunRecord run = read_run(options.folder);
  if (!run.evaluation || run.evaluation->examples.empty())
    throw Error::input({.where = options.folder,
                        .found = "the folder holds no answers",
                        .expected = "the output_dir of a finished lora run or lora eval"});
  if (!options.votes.empty()) return count_votes(options, run);
  const ReviewPlan plan = plan_review(*run.evaluation, options.review);
  const bool given = !options.output.empty();
  const std::filesystem::path page =
      given ? std::filesystem::path(options.output) : std::filesystem::path(options.folder) / "review.html";
  write_file_atomic(page, review_page_html(*run.evaluation, plan),
                    given ? IfExists::kRefuse : IfExists::kReplace);
  if (options.format == "json")
    print_json({{"page", page.string()}, {"asked", plan.items.size()}, {"identical", plan.identical}});
  else
    fmt::print("{}: {} questions to judge; the page saves votes as a file for --votes\n", page.string(),
               plan.items.size());
  return 0;
}

}  // namespace

void add_review(CLI::App& program, Action& action) {
  CLI::App* command =
      program.add_subcommand("review", "let people judge two contestants blindly, and count their votes");
  auto options = std::make_shared<Options>();
  command->add_option("run", options->folder, "output_dir of lora run or lora eval")
      ->required()
      ->type_name("RUN_DIR");
  command->add_option("--a", options->review.a, "one contestant")->capture_default_str()->type_name("NAME");
  command->add_option("--b", options->review.b, "the other")->capture_default_str()->type_name("NAME");
  command->add_option("--seed", options->review.seed, "of the order, and of left and right")
      ->capture_default_str();
  command->add_option("--output", options->output, "the page; left out: RUN_DIR/review.html, written anew")
      ->type_name("FILE");
  command->add_option("--votes", options->votes, "count these votes instead, of one reviewer or of several")
      ->type_name("FILE");
  add_format(*command, options->format);
  command->footer(
      "Examples:\n"
      "  lora review outputs/first                          makes the page\n"
      "  lora review outputs/first --votes ann.jsonl bo.jsonl");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
