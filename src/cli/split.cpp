// `lora split`: a data file in parts, rows written as they stand in the file.
#include "data/split.h"

#include <filesystem>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "data/chat_jsonl.h"
#include "data/split_files.h"

namespace lora::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string data, out, against, format = "text";
  SplitOptions split;
};

// The folder must be new or empty: nothing is overwritten.
void make_folder(const std::string& out) {
  std::error_code code;
  if (fs::exists(out) && !(fs::is_directory(out, code) && fs::is_empty(out, code)))
    throw Error::input({.where = out,
                        .found = "it exists and is not an empty folder",
                        .fix = "Choose another --out; nothing is overwritten."});
  fs::create_directories(out, code);
  if (code)
    throw Error::machine({.where = out,
                          .found = "the folder cannot be made: " + code.message(),
                          .fix = "Choose an --out that can be written."});
}

// With --against the other file is the test set: rows that it holds, or that are near duplicates of its rows, are set
// aside.
Split split_against(const std::vector<Conversation>& rows, const Options& options) {
  const std::vector<Conversation> test = read_rows(options.against).rows;
  std::vector<Conversation> rest, overlapping;
  std::vector<bool> overlaps(rows.size());
  for (const Overlap& overlap : find_overlap(rows, test)) overlaps[overlap.train_index] = true;
  for (size_t i = 0; i < rows.size(); ++i) (overlaps[i] ? overlapping : rest).push_back(rows[i]);
  Split split = split_valid(rest, options.split);
  if (!overlapping.empty())
    split.why += fmt::format(" {} rows are set aside because {} holds them, or nearly.", overlapping.size(),
                             options.against);
  split.set_aside.insert(split.set_aside.end(), overlapping.begin(), overlapping.end());
  return split;
}

int execute(const Options& options) {
  if (options.data == "-")
    throw Error::input({.where = "lora split",
                        .found = "the rows come from standard input, which can be read once only",
                        .fix = "Write them to a file first."});
  const RowsRead read = read_rows(options.data);
  const Split split =
      options.against.empty() ? lora::split(read.rows, options.split) : split_against(read.rows, options);
  make_folder(options.out);
  const SplitRecord record = write_split(options.data, split, options.out);
  nlohmann::ordered_json json{{"format", 1},
                              {"data", options.data},
                              {"data_sha256", sha256_file(options.data)},
                              {"seed", options.split.seed},
                              {"why", split.why}};
  if (!options.against.empty()) {
    json["against"] = options.against;
    json["against_sha256"] = sha256_file(options.against);
  }
  for (const SplitPart& part : record.parts)
    json["parts"][part.name] = {
        {"file", part.file}, {"rows", part.lines.size()}, {"sha256", part.sha256}, {"lines", part.lines}};
  write_file_atomic(fs::path(options.out) / "split.json", json.dump() + "\n", IfExists::kRefuse);
  if (options.format == "json") {
    for (auto& part : json["parts"]) part.erase("lines");
    print_json(json);
    return 0;
  }
  fmt::print("{}\n", split.why);
  for (const SplitPart& part : record.parts)
    fmt::print("{:>10}  {:>7} rows  {}\n", part.name, part.lines.size(),
               (fs::path(options.out) / part.file).string());
  return 0;
}

}  // namespace

void add_split(CLI::App& program, Action& action) {
  CLI::App* command =
      program.add_subcommand("split", "part a data file into rows to train on, to choose by and to judge by");
  auto options = std::make_shared<Options>();
  command->add_option("data", options->data, "data file (chat JSONL, ShareGPT, Alpaca, …)")
      ->required()
      ->type_name("DATA.jsonl");
  command->add_option("--out", options->out, "folder for the parts: new, or empty")
      ->required()
      ->type_name("DIR");
  command->add_option("--seed", options->split.seed, "another seed, other rows")->capture_default_str();
  command
      ->add_option(
          "--test-size,--test_size", options->split.test_size,
          "rows for the verdict; 0: by the number of rows, 20 to 50, and up to 200 from 1,000 rows on")
      ->capture_default_str();
  command
      ->add_option("--valid-size,--valid_size", options->split.valid_size,
                   "rows to choose the checkpoint by; 0: half as many as for the verdict")
      ->capture_default_str();
  command
      ->add_option(
          "--against", options->against,
          "a test set that exists already: only valid is split off, and what overlaps it is set aside")
      ->type_name("TEST.jsonl");
  command->add_flag("--golden-in-train,--golden_in_train", options->split.golden_in_train,
                    "train on golden rows too (then their answers prove nothing)");
  add_format(*command, options->format);
  command->footer(
      "Examples:\n"
      "  lora split data.jsonl --out parts\n"
      "  lora split data.jsonl --out parts --test-size 40 --seed 7\n"
      "  lora split data.jsonl --out parts --against test.jsonl --format json\n"
      "Writes train.jsonl, valid.jsonl, test.jsonl, and where there are such rows golden.jsonl and "
      "set_aside.jsonl;\n"
      "split.json says which line went where, and why so many. Rows are written as they stand in the file. "
      "Near\n"
      "duplicates never part: one is asked, the others are set aside. docs/split.md tells how rows are "
      "chosen.");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
