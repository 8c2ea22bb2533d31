// `lora check`: the data doctor. What it knows lives in src/data; here a model, when one is given, lends it its tokens.
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "data/chat_jsonl.h"
#include "data/finding_text.h"
#include "data/full_check.h"
#include "report/check_page.h"
#include "text/check_with_model.h"
#include "text/text_session.h"

namespace lora::cli {
namespace {

struct Options {
  FullCheckOptions check;
  std::string model, html, format = "text";
  std::vector<std::string> ignored;
  bool codes = false, all = false;
};

std::string subtitle(const CheckSummary& summary) {
  return fmt::format("{}, {}", formats_in_words(summary.formats),
                     bytes_text(static_cast<double>(summary.bytes)));
}

int execute(Options options) {
  if (options.codes) {
    fmt::print("{}", codes_text());
    return 0;
  }
  if (options.check.data.empty())
    throw Error::input({.where = "check",
                        .found = "no data file is given",
                        .fix = "Name one, or - for standard input: lora check data.jsonl"});
  options.check.check.ignored = {options.ignored.begin(), options.ignored.end()};
  std::optional<TextSession> session;
  if (!options.model.empty()) {
    session.emplace(options.model);
    check_with_model(*session, options.check.check);
  }
  options.check.summarize = !options.html.empty();
  std::optional<OutputFile> page;
  if (!options.html.empty()) page.emplace(options.html);
  const FullCheck done = full_check(options.check);
  if (page) {
    page->write(check_page_html({.file = done.report.summary.name,
                                 .subtitle = subtitle(done.report.summary),
                                 .findings = done.report.findings,
                                 .data = *done.data,
                                 .near_groups = done.near_groups}));
    page->commit();
  }
  const bool json = options.format == "json";
  const bool colour = ::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  if (json)
    fmt::print("{}\n", findings_json(done.report.findings));
  else
    fmt::print("{}", report_text(done.report, {.colour = colour, .all = options.all}));
  std::FILE* const beside = json ? stderr : stdout;
  if (done.mended)
    fmt::print(beside, "\n{}", mend_in_words(*done.mended, done.report.summary.name, options.check.fix));
  if (page) fmt::print(beside, "\n{}: the page\n", options.html);
  if (done.converted) fmt::print(beside, "\n{}", convert_in_words(*done.converted, options.check.convert));
  return done.report.summary.errors > 0 ? 1 : 0;
}

}  // namespace

void add_check(CLI::App& program, Action& action) {
  CLI::App* command =
      program.add_subcommand("check", "find what would spoil a fine-tune on a data file, and mend it");
  auto options = std::make_shared<Options>();
  FullCheckOptions& check = options->check;
  command->add_option("data", check.data, "rows in any known format, plain or gzip; - reads standard input")
      ->type_name("DATA");
  command->add_option("--against", check.against, "held-out rows: none may be in DATA, or nearly")
      ->type_name("EVAL");
  command->add_option("--golden", check.golden, "golden rows in a file of their own")->type_name("FILE");
  command
      ->add_option("--model", options->model,
                   "count tokens and know control tokens exactly, as this model does")
      ->type_name("MODEL");
  command
      ->add_option("--max-seq-length,--max_seq_length", check.check.max_seq_length, "longest row in tokens")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--dataset-text-field,--dataset_text_field", check.check.rows.text_field,
                   "key that holds the text of plain-text rows")
      ->capture_default_str()
      ->type_name("KEY");
  command->add_option("--ignore", options->ignored, "codes to leave out, with commas between them")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("CODES");
  command->add_option("--fix", check.fix, "write a copy in which all that has one repair is repaired")
      ->type_name("OUT");
  command->add_option("--convert", check.convert, "write all rows as chat JSON Lines")->type_name("OUT");
  command->add_option("--html", options->html, "write a page with the findings and pictures of the data")
      ->type_name("OUT");
  command->add_flag("--structural-only", check.structural_only,
                    "only what can be seen of each row alone (fast)");
  command->add_flag("--all", options->all, "print every finding, however many");
  command->add_flag("--codes", options->codes, "list the codes of findings and end");
  add_format(*command, options->format);
  command->footer(
      "Examples:\n"
      "  lora check data.jsonl\n"
      "  lora check data.jsonl --against eval.jsonl --model model.gguf --max-seq-length 1024\n"
      "  lora check data.jsonl --fix mended.jsonl           the original is never touched\n"
      "  lora check sharegpt.json.gz --convert chat.jsonl\n"
      "  zcat big.jsonl.gz | lora check - --structural-only --format json\n"
      "Exit code: 1 when there is an error among the findings, 2 for wrong use, 0 otherwise.");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
