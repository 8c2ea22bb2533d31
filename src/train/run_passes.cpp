#include "train/run_passes.h"

#include <algorithm>

#include "train/forest_builder.h"
#include "train/row_order.h"

namespace lora {
namespace {

ForestOptions forest_options(const ModelConfig& model, const TrainOptions& options) {
  return {options.share_prefixes, options.micro_batch_tokens, model.long_rope_length()};
}

// body(forest) for each pass of `examples`.
template <class Body>
void each_pass(const std::vector<const Example*>& examples, const ForestOptions& options, const Body& body) {
  for (const std::vector<size_t>& members : deal(examples, options)) {
    std::vector<const Example*> part;
    for (const size_t i : members) part.push_back(examples[i]);
    body(build_forest(part, options.share_prefixes, options.split_length));
  }
}

void add(const ModelConfig& model, const Forest& forest, RunPasses& passes) {
  passes.tokens += forest.num_tokens;
  passes.size += step_size(model, forest);
  passes.passes.push_back(pass_size(forest));
}

// The examples of each step that is looked at.
class Steps {
 public:
  Steps(const std::vector<Example>& rows, const TrainOptions& options)
      : rows_(rows), options_(options), length_(run_length(options, static_cast<int64_t>(rows.size()))) {}

  int64_t count() const { return length_.total_steps; }

  std::vector<const Example*> at(int64_t step) {
    const int64_t epoch = step / length_.steps_per_epoch, place = step % length_.steps_per_epoch;
    if (epoch != epoch_) {
      order_ = row_order(options_.seed, epoch, rows_.size());
      epoch_ = epoch;
    }
    const auto begin = static_cast<size_t>(place * options_.batch_size());
    const size_t end = std::min(order_.size(), begin + static_cast<size_t>(options_.batch_size()));
    std::vector<const Example*> examples;
    for (size_t i = begin; i < end; ++i) examples.push_back(&rows_[order_[i]]);
    return examples;
  }

 private:
  const std::vector<Example>& rows_;
  const TrainOptions& options_;
  RunLength length_;
  std::vector<size_t> order_;
  int64_t epoch_ = -1;
};

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
  Steps steps(rows, options);
  const auto looked_at =
      std::clamp<int64_t>(static_cast<int64_t>(static_cast<double>(most_tokens) / a_step), 1, steps.count());
  RunPasses all;
  for (int64_t i = 0; i < looked_at; ++i) {
    // In the middle of each of `looked_at` equal parts of the run.
    const int64_t step = steps.count() * (2 * i + 1) / (2 * looked_at);
    each_pass(steps.at(step), forest_options(model, options),
              [&](const Forest& forest) { add(model, forest, all); });
    ++all.steps;
  }
  return all;
}

RunPasses scoring_passes(const ModelConfig& model, const std::vector<Example>& rows,
                         const TrainOptions& options) {
  RunPasses all;
  std::vector<const Example*> examples;
  for (const Example& row : rows) examples.push_back(&row);
  if (!examples.empty())
    each_pass(examples, forest_options(model, options),
              [&](const Forest& forest) { add(model, forest, all); });
  all.steps = 1;
  return all;
}

Forest typical_pass(const ModelConfig& model, const std::vector<Example>& rows, const TrainOptions& options) {
  constexpr int64_t kSteps = 8;
  Steps steps(rows, options);
  std::vector<Forest> forests;
  for (int64_t step = 0; step < std::min(kSteps, steps.count()); ++step)
    each_pass(steps.at(step), forest_options(model, options),
              [&](Forest forest) { forests.push_back(std::move(forest)); });
  const auto middle = forests.begin() + static_cast<std::ptrdiff_t>(forests.size() / 2);
  std::ranges::nth_element(forests, middle, {}, &Forest::unique_tokens);
  return std::move(*middle);
}

}  // namespace lora
