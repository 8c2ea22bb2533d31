// `lora check` without LibTorch, for tests, fuzzing and measurements: the same report, no --model and no page. Not for
// users. usage: check_tool check DATA [--against F] [--golden F] [--fix F] [--convert F] [--ignore CODES]
// [--max-seq-length N] [--dataset-text-field K] [--threads N] [--structural-only] [--all] [--format json|text]
#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

#include "base/error.h"
#include "base/memory.h"
#include "data/finding_text.h"
#include "data/full_check.h"

namespace {

int run(int argc, char** argv) {
  std::map<std::string, std::string> given;
  std::string data;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (!word.starts_with("--")) {
      if (word != "check" || i > 1) data = word;
    } else if (word == "--structural-only" || word == "--all" || word == "--memory") {
      given.try_emplace(word);
    } else if (i + 1 < argc) {
      given[word] = argv[++i];
    }
  }
  lora::FullCheckOptions options;
  options.data = data;
  options.against = given["--against"];
  options.golden = given["--golden"];
  options.fix = given["--fix"];
  options.convert = given["--convert"];
  options.structural_only = given.contains("--structural-only");
  std::istringstream codes(given["--ignore"]);
  for (std::string code; std::getline(codes, code, ',');) options.check.ignored.insert(code);
  if (given.contains("--max-seq-length"))
    options.check.max_seq_length = std::stoul(given["--max-seq-length"]);
  if (given.contains("--threads")) options.check.threads = std::stoul(given["--threads"]);
  if (given.contains("--dataset-text-field")) options.check.rows.text_field = given["--dataset-text-field"];
  const lora::FullCheck done = lora::full_check(options);
  if (given["--format"] == "json")
    fmt::print("{}\n", lora::findings_json(done.report.findings));
  else
    fmt::print("{}", lora::report_text(done.report, {.colour = false, .all = given.contains("--all")}));
  if (done.mended) fmt::print(stderr, "{}", lora::mend_in_words(*done.mended, data, options.fix));
  if (done.converted) fmt::print(stderr, "{}", lora::convert_in_words(*done.converted, options.convert));
  if (given.contains("--memory"))
    fmt::print(stderr, "peak resident set {:.1f} MB\n",
               static_cast<double>(lora::peak_resident_bytes()) / 1e6);
  return done.report.summary.errors > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const lora::Error& error) {
    fmt::print(stderr, "check_tool: {}\n", error.what());
    return error.kind() == lora::ErrorKind::kInput ? 2 : 3;
  } catch (const std::exception& error) {
    fmt::print(stderr, "check_tool: {}\n", error.what());
    return 2;
  }
}
