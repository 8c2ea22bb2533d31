#include "train/run_passes.h"

#include <algorithm>

#include "train/batches.h"
#include "train/forest_builder.h"

namespace lora {
namespace {

ForestOptions forest_options(const ModelConfig& model, const TrainOptions& options) {
  return {.share_prefixes = options.share_prefixes,
          .max_tokens = options.micro_batch_tokens,
          .split_length = model.long_rope_length()};
}

void add(const ModelConfig& model, const Forest& forest, RunPasses& passes) {
  passes.tokens += forest.num_tokens;
  passes.size += step_size(model, forest);
  passes.passes.push_back(pass_size(forest));
}

}  // namespace

double RunPasses::tokens_a_step() const {
  return steps == 0 ? 0 : static_cast<double>(tokens) / static_cast<double>(steps);
}

RunPasses training_passes(const ModelConfig& model, const std::vector<Example>& rows,
                          const TrainOptions& options, int64_t most_tokens) {
  int64_t tokens = 0;
  for (const Example& row : rows) tokens += row.input_length();
  const double a_step =
      static_cast<double>(tokens) / static_cast<double>(rows.size()) *
      static_cast<double>(std::min<int64_t>(options.batch_size(), static_cast<int64_t>(rows.size())));
  Batches batches(rows, options);
  const auto looked_at = std::clamp<int64_t>(static_cast<int64_t>(static_cast<double>(most_tokens) / a_step),
                                             1, batches.length().total_steps);
  RunPasses all;
  const Example* longest = &*std::ranges::max_element(rows, {}, &Example::input_length);
  bool met = false;
  for (int64_t i = 0; i < looked_at; ++i) {
    // In the middle of each of `looked_at` equal parts of the run.
    const int64_t step = batches.length().total_steps * (2 * i + 1) / (2 * looked_at);
    const std::vector<const Example*> batch = batches.at(step);
    met = met || std::ranges::find(batch, longest) != batch.end();
    each_forest(batch, forest_options(model, options),
                [&](const Forest& forest, const auto&) { add(model, forest, all); });
    ++all.steps;
  }
  if (!met)
    each_forest({longest}, forest_options(model, options),
                [&](const Forest& forest, const auto&) { all.passes.push_back(pass_size(forest)); });
  return all;
}

RunPasses scoring_passes(const ModelConfig& model, const std::vector<Example>& rows,
                         const TrainOptions& options) {
  RunPasses all;
  std::vector<const Example*> examples;
  for (const Example& row : rows) examples.push_back(&row);
  if (!examples.empty())
    each_forest(examples, forest_options(model, options),
                [&](const Forest& forest, const auto&) { add(model, forest, all); });
  all.steps = 1;
  return all;
}

Forest typical_pass(const ModelConfig& model, const std::vector<Example>& rows, const TrainOptions& options) {
  constexpr int64_t kSteps = 8;
  Batches batches(rows, options);
  std::vector<Forest> forests;
  for (int64_t step = 0; step < std::min(kSteps, batches.length().total_steps); ++step)
    each_forest(batches.at(step), forest_options(model, options),
                [&](Forest forest, const auto&) { forests.push_back(std::move(forest)); });
  const auto middle = forests.begin() + static_cast<std::ptrdiff_t>(forests.size() / 2);
  std::ranges::nth_element(forests, middle, {}, &Forest::unique_tokens);
  return std::move(*middle);
}

}  // namespace lora
