// `lora bench`: how fast training steps are here, and how fast they could be.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/progress.h"
#include "base/random.h"
#include "cli/output.h"
#include "cli_model/commands.h"
#include "cli_model/config_options.h"
#include "cli_model/profile_option.h"
#include "data/chat_jsonl.h"
#include "run/session.h"
#include "train/step_bench.h"

namespace lora::cli {
namespace {

struct BenchOptions {
  ConfigOptions config;
  ProfileOption profile;
  std::string model, data, config_file, format = "text";
  StepBenchOptions steps;
  GeneratedRows generated;
};

// MODEL and DATA on the command line stand for --model and --train-data; a first .toml for --config.
RunConfig read_config(const BenchOptions& options) {
  const bool toml = std::string_view(options.model).ends_with(".toml");
  if (toml && !options.config_file.empty())
    throw Error::input({.where = options.model, .found = "a second configuration beside --config"});
  RunConfig config = options.config.read(toml ? options.model : options.config_file);
  if (!toml && !options.model.empty()) config.model = options.model;
  if (!options.data.empty()) config.train_data = options.data;
  finish(config);
  return config;
}

struct BenchRows {
  std::vector<Example> examples;
  std::string said;  // where they are from
};

BenchRows make_rows(const BenchOptions& options, const RunConfig& config, const Session& session) {
  const ModelConfig& model = session.decoder().config();
  const auto wanted =
      static_cast<size_t>((options.steps.warm_up + options.steps.steps) * config.train.batch_size());
  if (config.train_data.empty()) {
    GeneratedRows generated = options.generated;
    generated.rows = static_cast<int64_t>(wanted);
    return {generated_examples(generated, model.vocab_size, config.train.seed),
            fmt::format("random rows of {} tokens, {} of them the same in all, {} supervised",
                        generated.tokens, generated.shared, generated.supervised)};
  }
  const std::vector<Conversation> all =
      read_rows(config.train_data, {.text_field = config.dataset_text_field}).rows;
  // No more rows are made into tokens than the steps can use.
  std::vector<size_t> order = Random(config.train.seed).permutation(all.size());
  order.resize(std::min(order.size(), wanted));
  std::ranges::sort(order);
  std::vector<Conversation> rows;
  for (const size_t i : order) rows.push_back(all[i]);
  return {make_examples(session.renderer(), rows,
                        std::min(config.max_seq_length, model.max_position_embeddings), config.train_data),
          fmt::format("{}: {} of {} rows", config.train_data, rows.size(), all.size())};
}

nlohmann::ordered_json rate_json(const GemmRate& rate) {
  return {{"rows", rate.rows},
          {"out", rate.out},
          {"in", rate.in},
          {"forward_gflops", rate.forward / 1e9},
          {"backward_gflops", rate.backward / 1e9}};
}

nlohmann::ordered_json bench_json(const StepBench& b, const RunConfig& config, const Session& session,
                                  const std::string& rows) {
  using Json = nlohmann::ordered_json;
  Json json{{"model", config.model},
            {"parameters", session.decoder().config().num_parameters()},
            {"base_bytes", session.decoder().weights().bytes()},
            {"adapter_parameters", b.adapter_weights},
            {"threads", at::get_num_threads()},
            {"float32_matmul_precision", precision_name(session.decoder().weights().precision())},
            {"rows", rows}};
  json["step"] = {{"examples", b.examples},
                  {"tokens", b.tokens},
                  {"unique_tokens", b.unique_tokens},
                  {"supervised_tokens", b.supervised_tokens},
                  {"passes", b.passes}};
  json["seconds"] = b.seconds;
  json["median_seconds"] = b.median_seconds;
  json["examples_per_second"] = b.examples_per_second;
  json["tokens_per_second"] = b.tokens_per_second;
  json["peak_memory_bytes"] = b.peak_bytes;
  json["flops_per_step"] = {{"frozen", b.cost.frozen},
                            {"adapter", b.cost.adapter},
                            {"attention", b.cost.attention},
                            {"head", b.cost.head},
                            {"total", b.cost.total()}};
  json["flops_per_step"]["frozen_shapes"] = Json::array();
  for (const StepCost::Shape& shape : b.cost.shapes)
    json["flops_per_step"]["frozen_shapes"].push_back(
        {{"out", shape.out}, {"in", shape.in}, {"count", shape.count}, {"flops", shape.flops}});
  json["peak_gflops"] = b.peak / 1e9;
  json["peak_gflops_rounds"] = Json::array();
  for (const double round : b.peak_rounds) json["peak_gflops_rounds"].push_back(round / 1e9);
  json["head_gflops"] = b.head_rate.both() / 1e9;
  json["gemm"] = Json::array();
  for (const GemmRate& rate : b.layer_rates) json["gemm"].push_back(rate_json(rate));
  json["gemm_head"] = rate_json(b.head_rate);
  json["limit_seconds"] = b.limit_seconds;
  json["speed_of_light_percent"] = b.speed_of_light_percent;
  json["panel_gflops"] = b.panel_peak / 1e9;
  json["percent_of_panels"] = b.percent_of_panels;
  json["parts"] = Json::array();
  for (const StepPart& part : b.parts)
    json["parts"].push_back({{"name", part.name}, {"seconds", part.seconds}, {"limit_seconds", part.limit}});
  return json;
}

void print_text(const StepBench& b, const RunConfig& config, const Session& session,
                const std::string& rows) {
  fmt::print("model           {}: {:.1f}M parameters; adapter of {:.1f}M, r {}; {} threads\n", config.model,
             static_cast<double>(session.decoder().config().num_parameters()) / 1e6,
             static_cast<double>(b.adapter_weights) / 1e6, config.adapter.r, at::get_num_threads());
  fmt::print("rows            {}\n", rows);
  fmt::print(
      "a step          {:.0f} examples, {:.0f} tokens of which {:.0f} unique and {:.0f} supervised, in "
      "{:.1f} "
      "passes\n",
      b.examples, b.tokens, b.unique_tokens, b.supervised_tokens, b.passes);
  const auto [least, most] = std::ranges::minmax(b.seconds);
  fmt::print(
      "measured        {:.3f} s a step (median of {}, {:.3f} to {:.3f}); {:.2f} examples/s, {:.0f} "
      "tokens/s\n",
      b.median_seconds, b.seconds.size(), least, most, b.examples_per_second, b.tokens_per_second);
  fmt::print("peak memory     {}\n", bytes_text(static_cast<double>(b.peak_bytes)));
  std::string rounds;
  for (const double round : b.peak_rounds)
    rounds += fmt::format("{}{:.1f}", rounds.empty() ? "" : ", ", round / 1e9);
  fmt::print(
      "GEMM peak       {:.1f} GFLOP/s at {} rows (before, between, after: {}); head {:.1f} at {} rows\n",
      b.peak / 1e9, b.layer_rates.front().rows, rounds, b.head_rate.both() / 1e9, b.head_rate.rows);
  const auto [slowest, fastest] = std::ranges::minmax(b.peak_rounds);
  if (slowest < 0.9 * fastest)
    fmt::print("                these differ by {:.0f} %: the machine was busy, and the figures say little\n",
               100 * (1 - slowest / fastest));
  fmt::print("limit           {:.3f} s a step: {:.1f} GFLOP\n", b.limit_seconds, b.cost.total() / 1e9);
  fmt::print("speed of light  {:.1f} %\n", b.speed_of_light_percent);
  fmt::print(
      "own products    {:.1f} GFLOP/s with the precision \"{}\", weights laid out: {:.1f} % of what they "
      "could do\n",
      b.panel_peak / 1e9, precision_name(session.decoder().weights().precision()), b.percent_of_panels);
  fmt::print("\n");

  fmt::print("{:<24} {:>9} {:>7} {:>9} {:>9}\n", "where a step goes", "ms", "share", "limit ms", "lost ms");
  StepPart all{"all", 0, 0};
  for (const StepPart& part : b.parts) {
    all.seconds += part.seconds;
    all.limit += part.limit;
  }
  const auto line = [&](const StepPart& part) {
    fmt::print("{:<24} {:>9.1f} {:>5.1f} % {:>9.1f} {:>9.1f}\n", part.name, 1e3 * part.seconds,
               100 * part.seconds / all.seconds, 1e3 * part.limit, 1e3 * (part.seconds - part.limit));
  };
  for (const StepPart& part : b.parts)
    if (part.seconds > 0 || part.limit > 0) line(part);
  line(all);
}

int execute(const BenchOptions& options) {
  options.profile.check();
  const RunConfig config = read_config(options);
  Progress progress;
  for (const std::string& note : config.notes) progress.print("note: " + note);
  if (config.memory_limit_bytes > 0)
    progress.print(
        "note: memory_limit chooses no passes here; `lora plan` names the micro_batch_tokens and recompute "
        "that it leads to");
  if (config.device != "cpu")
    throw Error::input({.where = "device",
                        .found = "device is \"" + config.device + "\"",
                        .expected = "cpu: the limit that `lora bench` compares with is the CPU's"});
  const Session session(config.model,
                        {config.threads, config.device, config.reference, config.text, config.load_in_4bit,
                         precision_named(config.float32_matmul_precision)});
  const BenchRows rows = make_rows(options, config, session);
  Profile profile;
  const StepBench result =
      bench_steps(session.decoder(), config.adapter, rows.examples, config.train, options.steps, profile,
                  [&](const std::string& what) { progress.update(what); });
  progress.clear();
  if (options.profile.given()) options.profile.write(profile, "lora bench");
  if (options.format == "json")
    print_json(bench_json(result, config, session, rows.said));
  else
    print_text(result, config, session, rows.said);
  return 0;
}

}  // namespace

void add_bench(CLI::App& program, Action& action) {
  CLI::App* command =
      program.add_subcommand("bench", "how fast training steps are, and how fast they could be");
  auto options = std::make_shared<BenchOptions>();
  command
      ->add_option("model_file", options->model, "GGUF file or Hugging Face folder; or a run's configuration")
      ->type_name("MODEL|FILE.toml");
  command
      ->add_option("data_file", options->data,
                   "rows to train on, as for `lora train`; left out: random rows are made")
      ->type_name("DATA.jsonl");
  command->add_option("--config", options->config_file, "a run's configuration; flags come after it")
      ->type_name("FILE.toml");
  command->add_option("--steps", options->steps.steps, "steps that are measured")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--warm-up,--warm_up", options->steps.warm_up, "steps before them, which do not count")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_option("--tokens", options->generated.tokens, "of a random row")->capture_default_str();
  command
      ->add_option("--shared", options->generated.shared,
                   "so many tokens at the beginning of all random rows are the same")
      ->capture_default_str();
  command
      ->add_option("--supervised", options->generated.supervised,
                   "so many tokens at the end of a random row are learned")
      ->capture_default_str();
  options->profile.add_to(*command);
  add_format(*command, options->format);
  options->config.add_keys_to(*command);
  command->footer(
      "Examples:\n"
      "  lora bench my.toml\n"
      "  lora bench model.gguf data.jsonl --micro-batch-tokens 512 --format json\n"
      "  lora bench model.gguf --tokens 1024 --shared 0 --supervised 256 --profile trace.json\n"
      "Nothing is written but the profile. The limit is what any program must compute, at the speed that "
      "this\n"
      "machine multiplies matrices of these shapes with, measured before, between and after the steps.");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
