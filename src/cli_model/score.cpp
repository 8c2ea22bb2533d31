// `lora score`: how well a model predicts the answers of a file, row by row.
#include "train/score.h"

#include <cmath>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/output.h"
#include "cli_model/commands.h"
#include "cli_model/model_options.h"
#include "data/chat_jsonl.h"

namespace lora::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string data, format = "text";
  int64_t max_seq_length = 1 << 24;
  bool share_prefixes = true;
};

int execute(const Options& options) {
  const Session session = options.model.open();
  const std::vector<Conversation> rows = read_rows(options.data).rows;
  const int64_t longest =
      std::min(options.max_seq_length, session.decoder().config().max_position_embeddings);
  const std::vector<Example> examples = make_examples(session.renderer(), rows, longest, options.data);
  std::optional<Adapter> adapter;
  if (!options.model.adapter.empty()) adapter = session.load_adapter(options.model.adapter);
  Progress progress;
  const std::vector<Score> scores =
      score(session.decoder(), adapter ? &*adapter : nullptr, examples,
            {.share_prefixes = options.share_prefixes, .max_tokens = 512}, [&](size_t done) {
              if (interrupt_requested())
                throw Error(ErrorKind::kInterrupted, {.where = "score", .found = "stopped"});
              progress.update(fmt::format("scored {} of {} rows", done, examples.size()));
            });
  progress.clear();
  const Score sum = total(scores);
  const double mean = sum.nll / static_cast<double>(sum.tokens);
  if (options.format == "json") {
    nlohmann::ordered_json json{{"rows", nlohmann::ordered_json::array()}};
    for (size_t i = 0; i < scores.size(); ++i)
      json["rows"].push_back({{"line", rows[i].line}, {"nll", scores[i].nll}, {"tokens", scores[i].tokens}});
    json["nll"] = sum.nll;
    json["tokens"] = sum.tokens;
    json["perplexity"] = std::exp(mean);
    print_json(json);
    return 0;
  }
  fmt::print("{:>8} {:>10} {:>8} {:>12}\n", "line", "nll", "tokens", "perplexity");
  for (size_t i = 0; i < scores.size(); ++i)
    fmt::print("{:>8} {:>10.4f} {:>8} {:>12.4f}\n", rows[i].line, scores[i].nll, scores[i].tokens,
               std::exp(scores[i].nll / static_cast<double>(scores[i].tokens)));
  fmt::print("{:>8} {:>10.4f} {:>8} {:>12.4f}\n", "all", sum.nll, sum.tokens, std::exp(mean));
  return 0;
}

}  // namespace

void add_score(CLI::App& program, Action& action) {
  CLI::App* command =
      program.add_subcommand("score", "negative log-likelihood of the answers of a file, row by row");
  auto options = std::make_shared<Options>();
  options->model.add_to(*command);
  command->add_option("data", options->data, "data file (chat JSONL, ShareGPT, Alpaca, …)")
      ->required()
      ->type_name("DATA.jsonl");
  command->add_option("--max-seq-length,--max_seq_length", options->max_seq_length, "longest row in tokens");
  command->add_flag("--share-prefixes,!--no-share-prefixes", options->share_prefixes,
                    "lay shared prefixes once (the same result)");
  add_format(*command, options->format);
  command->footer(
      "Examples:\n"
      "  lora score model.gguf test.jsonl\n"
      "  lora score model.gguf test.jsonl --adapter outputs/first/adapter --format json\n"
      "nll is summed over the supervised tokens of a row, natural logarithm.");
  command->callback([options, &action] { action = [options] { return execute(*options); }; });
}

}  // namespace lora::cli
