#include "run/run_data.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "data/chat_jsonl.h"

namespace lora {
namespace {

std::vector<Conversation> read_file_of_rows(const RunConfig& config, const std::string& path, bool whole_run,
                                            std::vector<std::string>& notes) {
  RowsRead read = read_rows(path, {.text_field = config.dataset_text_field});
  const bool all_chat = read.formats[static_cast<size_t>(RowFormat::kChat)] == read.rows.size();
  if (!all_chat) notes.push_back(fmt::format("{}: {}", path, read.said));
  if (whole_run)
    for (const Conversation& row : read.rows)
      if (row.is_plain_text())
        throw Error::input(
            {.where = fmt::format("{}:{}", path, row.line),
             .found = "a plain-text row holds no question that base and tuned could be asked",
             .fix = "Use `lora train`, and `lora score` for the held-out loss; or give chat rows."});
  return std::move(read.rows);
}

Split everything(const std::vector<Conversation>& rows, const SplitOptions& options) {
  Split all = split_nothing(rows, options);
  all.why = fmt::format("all {} rows are trained on, since eval_strategy is \"no\"{}.", all.train.size(),
                        all.golden.empty() ? "" : fmt::format("; {} golden rows are not", all.golden.size()));
  return all;
}

// Equal rows and equal questions are refused; near duplicates are a judgement, so they are said.
void refuse_overlap(const RunConfig& config, const std::vector<Conversation>& rows,
                    const std::vector<Conversation>& test, std::vector<std::string>& notes) {
  const std::vector<Overlap> overlaps = find_overlap(rows, test);
  const auto same = [](const Overlap& overlap) { return overlap.same_question; };
  const auto count = std::count_if(overlaps.begin(), overlaps.end(), same);
  const auto place = [&](const Overlap& overlap) {
    return std::pair(fmt::format("{}:{}", config.train_data, rows[overlap.train_index].line),
                     fmt::format("{}:{}", config.eval_data, test[overlap.test_index].line));
  };
  if (count > 0) {
    const Overlap& first = *std::find_if(overlaps.begin(), overlaps.end(), same);
    const auto [where, there] = place(first);
    throw Error::input(
        {.where = where,
         .found = fmt::format("{} training rows are also in the held-out set; this one {} {}", count,
                              first.exact ? "equals" : "asks the same question as", there),
         .fix = "Remove them from one side: a model is not judged on what it was trained on."});
  }
  if (overlaps.empty()) return;
  const auto [where, there] = place(overlaps[0]);
  notes.push_back(
      fmt::format("{} training rows nearly equal held-out ones ({} and {}, similarity {:.2f}); `lora check "
                  "--against` lists them",
                  overlaps.size(), where, there, overlaps[0].similarity));
}

}  // namespace

RunData read_run_data(const RunConfig& config, bool whole_run) {
  RunData data;
  Split& split = data.split;
  const std::vector<Conversation> rows = read_file_of_rows(config, config.train_data, whole_run, data.notes);
  const SplitOptions options{config.train.seed, static_cast<size_t>(config.test_size),
                             static_cast<size_t>(config.valid_size)};
  const bool chooses = config.eval_strategy != "no";
  if (!whole_run && config.test_size > 0 && config.eval_data.empty())
    data.notes.emplace_back("test_size: only `lora run` gives a verdict and holds rows out for it");
  if (!whole_run && !config.eval_data.empty())
    data.notes.emplace_back(
        "eval_data: only `lora run` asks these rows; they are kept apart, and the checkpoint is chosen by "
        "rows "
        "of train_data");
  if (!config.eval_data.empty()) {
    std::vector<Conversation> test = read_file_of_rows(config, config.eval_data, whole_run, data.notes);
    refuse_overlap(config, rows, test, data.notes);
    split = chooses ? split_valid(rows, options) : everything(rows, options);
    split.test = std::move(test);
  } else if (whole_run) {
    split = lora::split(rows, options);
    if (!chooses) {
      split.train.insert(split.train.end(), split.valid.begin(), split.valid.end());
      split.valid.clear();
    }
  } else {
    split = chooses ? split_valid(rows, options) : everything(rows, options);
  }
  if (split.train.empty())
    throw Error::input({.where = config.train_data,
                        .found = fmt::format("no row is left to train on: {}", split.why),
                        .fix = "Add rows, take \"golden\" off some of them, or hold fewer out."});
  return data;
}

}  // namespace lora
