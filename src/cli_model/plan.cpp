// `lora plan`: what a run will take, before anything is loaded.
#include "run/plan.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cli/output.h"
#include "cli_model/commands.h"
#include "cli_model/config_options.h"

namespace lora::cli {
namespace {

struct PlanCommand {
  ConfigOptions config;
  std::string model, data, run = "run", format = "text";
  bool time = true;
};

// MODEL and DATA on the command line stand for --model and --train-data.
RunConfig read_config(const PlanCommand& options) {
  const bool toml = std::string_view(options.model).ends_with(".toml");
  if (toml && !options.data.empty())
    throw Error::input({.where = options.data,
                        .found = "a second argument beside a configuration",
                        .fix = "Give the data with --train-data."});
  RunConfig config = options.config.read(toml ? options.model : "");
  if (!toml && !options.model.empty()) config.model = options.model;
  if (!options.data.empty()) config.train_data = options.data;
  finish(config);
  if (config.train_data.empty())
    throw Error::input(
        {.where = "train_data",
         .found = "not given",
         .fix = "Give a configuration, or a model and its data: `lora plan MODEL DATA.jsonl`."});
  return config;
}

std::string bytes(int64_t number) {
  return bytes_text(static_cast<double>(number));
}

// What a category is, for people.
const char* meaning(const std::string& category) {
  constexpr std::pair<const char*, const char*> kMeanings[] = {
      {"program", "the program, its tokenizer, the rows"},
      {"base", "the frozen model"},
      {"adapter", "A and B"},
      {"gradients", "of A and B"},
      {"optimizer", "its moments"},
      {"activations", "of the largest pass, kept for the way back"},
      {"logits", "some at a time, and what the head reads and gives"},
      {"workspace", "what operations hold while they run"},
      {"cache", "keys and values of answers, beyond what training takes"}};
  for (const auto& [name, what] : kMeanings)
    if (name == category) return what;
  return "";
}

void print_text(const PlannedRun& p) {
  fmt::print("{}: {:.1f}M parameters, {:.2f}M of them trainable ({:.2f} %)\n", p.model,
             static_cast<double>(p.parameters) / 1e6, static_cast<double>(p.trainable) / 1e6,
             100 * static_cast<double>(p.trainable) / static_cast<double>(p.parameters + p.trainable));
  fmt::print(
      "{} rows to train on ({} tokens, {} of them in the loss, the longest row {}), {} to choose the "
      "checkpoint{}\n",
      p.train_rows, p.tokens, p.supervised, p.longest_row, p.valid_rows,
      p.test_rows > 0 ? fmt::format(", {} for the verdict", p.test_rows) : "");
  fmt::print(
      "{} steps of {} examples; a step is {:.1f} passes of together {:.0f} tokens{}\n", p.length.total_steps,
      p.examples_a_step, p.passes_a_step, p.unique_tokens_a_step,
      p.saved_by_sharing() > 0
          ? fmt::format(", {:.0f} % fewer than its rows have: beginnings that they share are computed once",
                        100 * p.saved_by_sharing())
          : "");
  fmt::print("micro_batch_tokens {}, recompute {}, float32_matmul_precision {}{}\n", p.micro_batch_tokens,
             recompute_name(p.recompute), precision_name(p.precision), p.why.empty() ? "" : ": " + p.why);

  fmt::print("\nmemory\n");
  for (const auto& [name, number] : categories(p.memory))
    if (number > 0) fmt::print("  {:<12} {:>10}  {}\n", name, bytes(number), meaning(name));
  fmt::print("  {:<12} {:>10}  peak of the whole program; {} are free here\n", "together",
             bytes(p.memory.total()), bytes(p.memory_available));
  if (p.largest_pass > 0)
    fmt::print(
        "  the largest pass that fits {}: {} tokens, about {:.0f} rows; how many rows form a step takes no "
        "memory\n",
        p.memory_limit > 0 ? "memory_limit" : "what is free", p.largest_pass, p.rows_of_largest_pass);
  else
    fmt::print("  not even the longest row alone fits {}\n",
               p.memory_limit > 0 ? "memory_limit" : "what is free");

  if (p.time) {
    fmt::print("\ntime\n  {:<12} {:>10}  {:.0f} tokens/s\n", "training", duration_text(p.time->training),
               p.time->tokens_per_second);
    if (p.time->asking)
      fmt::print(
          "  {:<12} {:>10}  base and tuned, with answers as long as the references: from half to twice of "
          "it\n",
          "questions", duration_text(*p.time->asking));
  }
  fmt::print("\ndisk\n  {:<12} {:>10}  {} checkpoints {}, adapter {}, records {}{}\n", "together",
             bytes(p.disk.total()), p.disk.number_kept, bytes(p.disk.checkpoints), bytes(p.disk.adapter),
             bytes(p.disk.records), p.disk.free > 0 ? fmt::format("; {} are free", bytes(p.disk.free)) : "");
  if (p.disk.temporary > 0)
    fmt::print("  {:<12} {:>10}  the base in 4 bits, in {}, as long as the run lasts{}\n", "temporary",
               bytes(p.disk.temporary), p.disk.temporary_folder,
               p.disk.temporary_free > 0 ? fmt::format("; {} are free", bytes(p.disk.temporary_free)) : "");
  if (!p.notes.empty()) fmt::print("\nnotes\n");
  for (const std::string& note : p.notes) fmt::print("  {}\n", note);
}

int execute(const PlanCommand& options) {
  keep_freed_memory();
  RunConfig config = read_config(options);
  if (config.threads > 0) at::set_num_threads(static_cast<int>(config.threads));
  const bool whole_run = options.run == "run";
  RunData data = read_run_data(config, whole_run);
  const TextSession text(config.model, config.text);
  const ModelConfig model = read_model_config(text.checkpoint());
  const PlannedRows rows = make_planned_rows(config, text, model, data.split, data.notes);
  PlannedRun plan =
      plan_run(config, text, model, data.split, rows, {.whole_run = whole_run, .measure_time = options.time});
  plan.notes.insert(plan.notes.begin(), data.notes.begin(), data.notes.end());
  plan.notes.insert(plan.notes.begin(), config.notes.begin(), config.notes.end());
  if (options.format == "json")
    print_json(plan_json(plan));
  else
    print_text(plan);
  return 0;
}

}  // namespace

void add_plan(CLI::App& program, Action& action) {
  CLI::App* command =
      program.add_subcommand("plan", "memory, time and disk of a run, before anything is loaded");
  auto options = std::make_shared<PlanCommand>();
  command->add_option("model", options->model, "configuration, or GGUF file or Hugging Face folder")
      ->type_name("FILE.toml|MODEL");
  command->add_option("data", options->data, "rows to train on")->type_name("DATA.jsonl");
  command->add_option("--for", options->run, "the command that is planned")
      ->check(CLI::IsMember({"run", "train"}));
  command->add_flag("--time,!--no-time", options->time,
                    "measure a moment's training for the time (default: yes)");
  options->config.add_keys_to(*command);
  add_format(*command, options->format);
  command->footer(
      "Examples:\n"
      "  lora plan my.toml\n"
      "  lora plan model.gguf data.jsonl --r 32 --micro-batch-tokens 512\n"
      "  lora plan my.toml --memory-limit 1GB      passes that fit, and what they cost\n"
      "  lora plan my.toml --for train --format json\n"
      "No weights are loaded but four layers, with which the time is measured. Notes say where the "
      "configuration leaves "
      "known ranges; they are no errors. Exit code 2: nothing fits --memory-limit.");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
