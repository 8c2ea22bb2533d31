// `lora report`: the page of a run directory, made again. `lora run` and `lora eval` make it at their end.
#include <fmt/format.h>

#include <memory>

#include "base/atomic_file.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "report/run_page.h"

namespace lora::cli {
namespace {

struct Options {
  std::string folder, output, format = "text";
};

int execute(const Options& options) {
  std::string page = options.output;
  if (page.empty())
    page = write_run_page(options.folder).string();
  else
    write_file_atomic(page, run_page_html(read_run(options.folder)), IfExists::kRefuse);
  if (options.format == "json")
    print_json({{"report", page}});
  else
    fmt::print("{}: the page\n", page);
  return 0;
}

}  // namespace

void add_report(CLI::App& program, Action& action) {
  CLI::App* command =
      program.add_subcommand("report", "write the page of a run: verdict, curves, every example");
  auto options = std::make_shared<Options>();
  command->add_option("run", options->folder, "output_dir of lora run, lora train or lora eval")
      ->required()
      ->type_name("RUN_DIR");
  command->add_option("--output", options->output, "the page; left out: RUN_DIR/report.html, written anew")
      ->type_name("FILE");
  add_format(*command, options->format);
  command->footer(
      "Example:\n"
      "  lora report outputs/first\n"
      "The page is one file that loads nothing; open it in a browser.");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
