#include "train/step_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>

#include "base/error.h"
#include "base/hash.h"
#include "base/interrupt.h"
#include "base/median.h"
#include "base/memory.h"
#include "base/random.h"
#include "train/batches.h"
#include "train/forest_builder.h"
#include "train/step.h"

namespace lora {
namespace {

constexpr uint64_t kRowsStream = 0x62656e6368;  // "bench"

// The rows of each step, and what they count.
struct PlannedStep {
  std::vector<const Example*> examples;
  StepSize size;
  int64_t tokens = 0, passes = 0;
};

// Step after step in the order of a run; rows are begun again when they are used up.
std::vector<PlannedStep> plan_steps(const ModelConfig& model, const std::vector<Example>& examples,
                                    const TrainOptions& options, const ForestOptions& forests,
                                    int64_t count) {
  std::vector<size_t> order;
  int64_t epoch = 0;
  std::vector<PlannedStep> steps(static_cast<size_t>(count));
  for (PlannedStep& step : steps) {
    while (static_cast<int64_t>(step.examples.size()) < options.batch_size()) {
      if (order.empty()) {
        order = row_order(options.seed, epoch++, examples.size());
        std::ranges::reverse(order);
      }
      step.examples.push_back(&examples[order.back()]);
      order.pop_back();
    }
    each_forest(step.examples, forests, [&](const Forest& forest, const auto&) {
      step.size += step_size(model, forest);
      step.tokens += forest.num_tokens;
      ++step.passes;
    });
  }
  return steps;
}

// sum += share * cost
void add_share(const StepCost& cost, double share, StepCost& sum) {
  if (sum.shapes.empty()) {
    sum.shapes = cost.shapes;
    for (StepCost::Shape& shape : sum.shapes) shape.flops = 0;
  }
  for (size_t i = 0; i < cost.shapes.size(); ++i) sum.shapes[i].flops += share * cost.shapes[i].flops;
  sum.frozen += share * cost.frozen;
  sum.adapter += share * cost.adapter;
  sum.attention += share * cost.attention;
  sum.head += share * cost.head;
}

// What of the profile belongs to which part of a step (base/profile.h; the names stand where the work is done).
std::string part_of(const Profile::Total& total) {
  const bool head = total.phase == "head_loss";
  if (total.part == "gemm") return head ? "head" : "frozen matrices";
  if (total.part == "adapter") return "adapter";
  if (total.part == "unpack") return "unpacking";
  if (total.part == "dropout") return "dropout";
  if (total.part == "norm" || total.part == "activation" || total.phase == "rope")
    return "norms, rope, activation";
  if (total.phase == "attention") return "attention";
  if (head) return "softmax of the head";
  if (total.phase == "optimizer" || total.phase == "gradient_norm") return "optimizer";
  return "other";
}

std::vector<StepPart> parts_of(const Profile& profile, const StepCost& cost, const GemmPeak& peak,
                               double steps, bool dropout) {
  // Of the adapter's six products the frozen matrices' sums take in u B^T, and du A where no dropout stands between.
  const double taken_in = cost.adapter * (dropout ? 1.0 / 6 : 1.0 / 3);
  std::vector<StepPart> parts{{"frozen matrices", 0, (cost.frozen + taken_in) / peak.peak()},
                              {"adapter", 0, (cost.adapter - taken_in) / peak.peak()},
                              {"attention", 0, cost.attention / peak.peak()},
                              {"head", 0, cost.head / peak.head().both()},
                              {"softmax of the head", 0, 0},
                              {"unpacking", 0, 0},
                              {"norms, rope, activation", 0, 0},
                              {"dropout", 0, 0},
                              {"optimizer", 0, 0},
                              {"other", 0, 0}};
  for (const Profile::Total& total : profile.totals())
    std::ranges::find(parts, part_of(total), &StepPart::name)->seconds += total.seconds / steps;
  return parts;
}

class Bench {
 public:
  Bench(const Decoder& decoder, const AdapterConfig& adapter, const std::vector<Example>& examples,
        const TrainOptions& options, const StepBenchOptions& bench, Profile& profile,
        const std::function<void(const std::string&)>& said)
      : decoder_(decoder),
        options_(options),
        profile_(profile),
        said_(said),
        forests_{.share_prefixes = options.share_prefixes,
                 .max_tokens = options.micro_batch_tokens,
                 .split_length = decoder.config().long_rope_length(),
                 .recompute = options.recompute},
        adapter_(Adapter::create(decoder.config(), adapter, options.seed)),
        optimizer_(make_optimizer(
            options.optim, adapter_,
            {options.adam_beta1, options.adam_beta2, options.adam_epsilon, options.weight_decay},
            options.loraplus_lr_ratio)),
        planned_(plan_steps(decoder.config(), examples, options, forests_, bench.warm_up + bench.steps)),
        warm_up_(std::span(planned_).first(static_cast<size_t>(bench.warm_up))),
        counted_(std::span(planned_).subspan(static_cast<size_t>(bench.warm_up))),
        peak_(make_peak()) {}

  StepBench run() {
    for (size_t i = 0; i < warm_up_.size(); ++i) {
      said_(fmt::format("warming up, step {} of {}", i + 1, warm_up_.size()));
      step(warm_up_[i]);
    }
    const size_t middle = (counted_.size() + 1) / 2;
    for (size_t i = 0; i < counted_.size(); ++i) {
      if (i == 0 || i == middle) measure_peak();
      said_(fmt::format("step {} of {}", i + 1, counted_.size()));
      const Profile::Recording recording(profile_);
      result_.seconds.push_back(step(counted_[i]));
    }
    measure_peak();
    summarize();
    return std::move(result_);
  }

 private:
  GemmPeak make_peak() const {
    StepSize size;
    int64_t passes = 0;
    for (const PlannedStep& step : counted_) {
      size += step.size;
      passes += step.passes;
    }
    return {decoder_.config(), size.unique_tokens / passes, size.supervised_tokens / passes,
            decoder_.weights().precision()};
  }

  // Gives the seconds that it took.
  double step(const PlannedStep& planned) {
    if (interrupt_requested())
      throw Error(ErrorKind::kInterrupted, {.where = "bench", .found = "stopped; nothing was written"});
    const auto begin = std::chrono::steady_clock::now();
    const StepResult done =
        train_step(decoder_, adapter_, *optimizer_, planned.examples, forests_, options_.learning_rate,
                   options_.max_grad_norm, mix64(options_.seed, ++steps_done_));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!done.finite)
      throw Error::input({.where = "bench",
                          .found = "loss or gradient of a step is not finite",
                          .fix = "Lower learning_rate, or give rows that the model can read."});
    return seconds;
  }

  // What measuring takes is not training's memory.
  void measure_peak() {
    said_("measuring how fast matrices are multiplied");
    result_.peak_bytes = std::max(result_.peak_bytes, peak_resident_bytes());
    peak_.measure();
    reset_peak_resident();
  }

  StepCost cost_of(const StepSize& size) const {
    return step_cost(decoder_.config(), adapter_.num_parameters(), size);
  }
  double limit_of(const StepCost& cost) const {
    return cost.without_head() / peak_.peak() + cost.head / peak_.head().both();
  }

  void summarize() {
    const auto steps = static_cast<double>(counted_.size());
    std::vector<double> percents, of_panels;
    result_.panel_peak = peak_.panel_peak();
    for (size_t i = 0; i < counted_.size(); ++i) {
      const PlannedStep& step = counted_[i];
      result_.examples += static_cast<double>(step.examples.size()) / steps;
      result_.tokens += static_cast<double>(step.tokens) / steps;
      result_.unique_tokens += static_cast<double>(step.size.unique_tokens) / steps;
      result_.supervised_tokens += static_cast<double>(step.size.supervised_tokens) / steps;
      result_.passes += static_cast<double>(step.passes) / steps;
      const StepCost cost = cost_of(step.size);
      add_share(cost, 1 / steps, result_.cost);
      percents.push_back(100 * limit_of(cost) / result_.seconds[i]);
      of_panels.push_back(100 * cost.total() / result_.panel_peak / result_.seconds[i]);
    }
    result_.limit_seconds = limit_of(result_.cost);
    result_.speed_of_light_percent = median(percents);
    result_.percent_of_panels = median(of_panels);
    result_.median_seconds = median(result_.seconds);
    result_.examples_per_second = result_.examples / result_.median_seconds;
    result_.tokens_per_second = result_.tokens / result_.median_seconds;
    result_.parts = parts_of(profile_, result_.cost, peak_, steps, adapter_.config().lora_dropout > 0);
    result_.adapter_weights = adapter_.num_parameters();
    result_.layer_rates = peak_.layers();
    result_.head_rate = peak_.head();
    result_.peak = peak_.peak();
    result_.peak_rounds = peak_.rounds();
  }

  const Decoder& decoder_;
  const TrainOptions& options_;
  Profile& profile_;
  const std::function<void(const std::string&)>& said_;
  const ForestOptions forests_;
  Adapter adapter_;
  const std::unique_ptr<Optimizer> optimizer_;
  const std::vector<PlannedStep> planned_;
  const std::span<const PlannedStep> warm_up_, counted_;
  GemmPeak peak_;
  uint64_t steps_done_ = 0;
  StepBench result_;
};

}  // namespace

StepBench bench_steps(const Decoder& decoder, const AdapterConfig& adapter,
                      const std::vector<Example>& examples, const TrainOptions& options,
                      const StepBenchOptions& bench, Profile& profile,
                      const std::function<void(const std::string&)>& said) {
  return Bench(decoder, adapter, examples, options, bench, profile, said).run();
}

std::vector<Example> generated_examples(const GeneratedRows& rows, int64_t vocab_size, uint64_t seed) {
  const auto require = [](bool holds, const char* flag, int64_t found, const std::string& expected) {
    if (!holds)
      throw Error::input({.where = flag, .found = fmt::format("it is {}", found), .expected = expected});
  };
  require(rows.tokens >= 2, "--tokens", rows.tokens, "2 tokens or more");
  require(rows.supervised >= 1 && rows.supervised < rows.tokens, "--supervised", rows.supervised,
          fmt::format("from 1 to {}, fewer than --tokens", rows.tokens - 1));
  require(rows.shared >= 0 && rows.shared <= rows.tokens - rows.supervised, "--shared", rows.shared,
          fmt::format("from 0 to {}: --tokens without --supervised", rows.tokens - rows.supervised));
  Random random(seed, kRowsStream);
  const auto token = [&] { return static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab_size))); };
  std::vector<int32_t> shared(static_cast<size_t>(rows.shared));
  std::ranges::generate(shared, token);
  std::vector<Example> examples(static_cast<size_t>(rows.rows));
  for (size_t i = 0; i < examples.size(); ++i) {
    Example& example = examples[i];
    example.ids = shared;
    while (static_cast<int64_t>(example.ids.size()) < rows.tokens) example.ids.push_back(token());
    example.supervised.assign(example.ids.size(), 0);
    std::fill(example.supervised.end() - rows.supervised, example.supervised.end(), 1);
    example.line = i + 1;
  }
  return examples;
}

}  // namespace lora
