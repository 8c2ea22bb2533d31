#include "train/plan_notes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "train/step_cost.h"

namespace lora {
namespace {

constexpr double kLowestRate = 1e-4, kHighestRate = 3e-4;
constexpr int64_t kFewRows = 1000;       // below: a row is seen often enough to be learned by heart
constexpr double kManyEpochs = 5;        // more is rarely of use, whatever the number of rows
constexpr double kEpochsOfManyRows = 3;  // and of many rows fewer
constexpr int64_t kFewSteps =
    30;  // AdamW's second moment, an average over 1000 steps, still follows single batches
constexpr int64_t kLargeRank = 64, kSmallRank = 4;
constexpr double kLongestWarmup = 0.2;  // of the run
constexpr double kMuchDropout = 0.2;

void note_rate(const TrainOptions& o, std::vector<std::string>& notes) {
  const double rate = o.learning_rate * std::max(1.0, o.loraplus_lr_ratio);
  if (o.learning_rate < kLowestRate)
    notes.push_back(fmt::format(
        "learning_rate: {:g} is below the usual 1e-4 to 3e-4; LoRA starts from B = 0 and needs about "
        "ten times the rate of full fine-tuning, so little may be learned in this many steps",
        o.learning_rate));
  else if (o.learning_rate > kHighestRate)
    notes.push_back(
        fmt::format("learning_rate: {:g} is above the usual 1e-4 to 3e-4 (QLoRA, arXiv 2305.14314: 2e-4 up "
                    "to 13B, 1e-4 above); "
                    "training may become unstable, and the model forgets more of what it could",
                    o.learning_rate));
  else if (rate > 20 * kHighestRate)
    notes.push_back(fmt::format(
        "loraplus_lr_ratio: {:g} gives B a rate of {:g}; LoRA+ (arXiv 2402.12354) takes ratios up to 16 "
        "with a lower learning_rate",
        o.loraplus_lr_ratio, rate));
}

void note_length(const TrainOptions& o, const TrainingData& data, std::vector<std::string>& notes) {
  const RunLength length = run_length(o, data.rows);
  const double epochs = static_cast<double>(length.total_steps) / static_cast<double>(length.steps_per_epoch);
  const std::string key = o.max_steps > 0 ? "max_steps" : "num_train_epochs";
  if (epochs > kManyEpochs)
    notes.push_back(fmt::format(
        "{}: each of the {} rows is seen {:.3g} times; after 3 to 5 times models mostly learn rows by "
        "heart. The best checkpoint by held-out loss is kept",
        key, data.rows, epochs));
  else if (epochs > kEpochsOfManyRows && data.rows >= kFewRows)
    notes.push_back(fmt::format(
        "{}: each of the {} rows is seen {:.3g} times; with {} rows or more, 1 to 3 times are mostly enough",
        key, data.rows, epochs, kFewRows));
  if (length.total_steps < kFewSteps)
    notes.push_back(fmt::format(
        "{}: the run has {} optimizer steps; below about {} little is learned. More epochs, more rows, or "
        "fewer examples a step (now {}) make more of them",
        key, length.total_steps, kFewSteps, o.batch_size()));
  if (o.batch_size() > data.rows)
    notes.push_back(fmt::format(
        "per_device_train_batch_size × gradient_accumulation_steps: a step takes {} examples and there "
        "are {} rows, so each epoch is one step",
        o.batch_size(), data.rows));
  const bool warms = o.lr_scheduler_type != LrScheduler::kConstant;
  if (warms && o.warmup_steps >= length.total_steps)
    notes.push_back(fmt::format(
        "warmup_steps: {} of {} steps: the learning rate never reaches {:g}, since the run ends before",
        o.warmup_steps, length.total_steps, o.learning_rate));
  else if (warms &&
           static_cast<double>(o.warmup_steps) > kLongestWarmup * static_cast<double>(length.total_steps))
    notes.push_back(
        fmt::format("warmup_steps: {} of {} steps; 3 to 10 % are usual, and what warms up longer learns less",
                    o.warmup_steps, length.total_steps));
}

void note_adapter(const ModelConfig& model, const AdapterConfig& a, const TrainOptions& o,
                  const TrainingData& data, std::vector<std::string>& notes) {
  const double ratio =
      a.lora_alpha / (a.use_rslora ? std::sqrt(static_cast<double>(a.r)) : static_cast<double>(a.r));
  const char* formula = a.use_rslora ? "lora_alpha / sqrt(r)" : "lora_alpha / r";
  // rsLoRA is there to scale large ranks up: with alpha = r the factor is sqrt(r).
  const double highest = a.use_rslora ? 2 * std::sqrt(static_cast<double>(a.r)) : 2;
  if (ratio < 1 || ratio > highest)
    notes.push_back(fmt::format(
        "lora_alpha: {} is {:.3g}, outside 1 to {:.3g}; the update is multiplied by it, as the learning rate "
        "is, so {}",
        formula, ratio, highest, ratio < 1 ? "the adapter learns slowly" : "steps are that much larger"));

  int64_t narrowest = std::numeric_limits<int64_t>::max();
  for (const auto& modules : resolve_target_modules(a.target_modules, model))
    for (const Module m : modules) {
      const auto [out, in] = module_shape(model, m);
      narrowest = std::min({narrowest, out, in});
    }
  if (a.r >= narrowest)
    notes.push_back(
        fmt::format("r: {} is not below {}, the narrowest side of an adapted matrix, so there B A is not of "
                    "low rank and costs more "
                    "than the matrix itself",
                    a.r, narrowest));
  else if (a.r > kLargeRank && data.rows < kFewRows)
    notes.push_back(fmt::format(
        "r: {} gives {:.1f}M trainable parameters for {} supervised tokens of {} rows; 8 to 32 hold as much "
        "as so few "
        "rows teach (arXiv 2106.09685, section 7.2), and learn less by heart",
        a.r, static_cast<double>(adapter_weights(model, a)) / 1e6, data.supervised_tokens, data.rows));
  else if (a.r < kSmallRank)
    notes.push_back(
        fmt::format("r: {} holds little; 8 to 32 are usual, and cost hardly more time or memory", a.r));

  const RunLength length = run_length(o, data.rows);
  if (a.lora_dropout == 0 && data.rows < kFewRows && length.total_steps > 2 * length.steps_per_epoch)
    notes.push_back(
        fmt::format("lora_dropout: 0 with {} rows, each seen more than twice; 0.05 to 0.1 (QLoRA: 0.1 up to "
                    "13B) makes learning by "
                    "heart harder",
                    data.rows));
  else if (a.lora_dropout > kMuchDropout)
    notes.push_back(
        fmt::format("lora_dropout: {:g} hides much of the input from the adapter; 0 to 0.1 are usual, more "
                    "slows learning down",
                    a.lora_dropout));
}

}  // namespace

std::vector<std::string> plan_notes(const ModelConfig& model, const AdapterConfig& adapter,
                                    const TrainOptions& options, const TrainingData& data) {
  std::vector<std::string> notes;
  note_rate(options, notes);
  note_length(options, data, notes);
  note_adapter(model, adapter, options, data, notes);
  return notes;
}

}  // namespace lora
