#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/profile.h"
#include "train/batches.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/score.h"
#include "train/step.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostBadInARow = 3;
constexpr uint64_t kMaskStream = 0x6d61736b;  // "mask"

class Run {
 public:
  Run(const Decoder& decoder, Adapter& adapter, const std::vector<Example>& train_rows,
      const std::vector<Example>& valid_rows, const TrainOptions& options, const TrainingRun& run,
      Progress& progress)
      : decoder_(decoder),
        adapter_(adapter),
        valid_rows_(valid_rows),
        options_(options),
        run_(run),
        progress_(progress),
        batches_(train_rows, options),
        length_(batches_.length()),
        schedule_{options.lr_scheduler_type, options.learning_rate, options.warmup_steps, length_.total_steps,
                  options.num_decay_steps},
        forests_{.share_prefixes = options.share_prefixes,
                 .max_tokens = options.micro_batch_tokens,
                 .recompute = options.recompute,
                 .pass_bytes = options.pass_bytes},
        optimizer_(make_optimizer(
            options.optim, adapter,
            {options.adam_beta1, options.adam_beta2, options.adam_epsilon, options.weight_decay},
            options.loraplus_lr_ratio)),
        checkpoints_(run.output_dir / "checkpoints", run.run_hash, run.keeps_checkpoint),
        metrics_(run.output_dir / "metrics.jsonl"),
        eval_steps_(checkpoint_interval(options, length_.total_steps)) {}

  TrainReport run() {
    resume();
    if (state_.step == 0 && !valid_rows_.empty())
      state_.first_eval_loss = evaluate();
    else if (state_.awaits_evaluation)
      conclude();
    while (state_.step < length_.total_steps) {
      step();
      if (run_.stop()) stop();
    }
    return finish();
  }

 private:
  void resume() {
    if (const auto state = checkpoints_.restore_newest(adapter_, *optimizer_)) {
      state_ = *state;
      progress_.print(fmt::format("going on from {}", checkpoints_.path_of(state_.step).string()));
      const bool goes_on = state_.step < length_.total_steps || state_.awaits_evaluation;
      if (state_.best_step > 0 && goes_on && !checkpoints_.holds(state_.best_step)) forget_best();
    }
    // The line of a step that awaits its held-out loss is still to come.
    metrics_.keep_until(state_.awaits_evaluation ? state_.step - 1 : state_.step);
    began_ =
        std::chrono::steady_clock::now() - std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                               std::chrono::duration<double>(state_.seconds));
  }

  // The checkpoint of the best adapter is gone: what comes from here on is compared among itself.
  void forget_best() {
    warn(fmt::format("step-{}, the best so far, is missing or damaged; the best from step {} on is kept",
                     state_.best_step, state_.step));
    state_.best_step = state_.step;
    state_.best_eval_loss.reset();
  }

  void warn(std::string what) {
    progress_.print("warning: " + what);
    state_.warnings.push_back(std::move(what));
  }

  void step() {
    const double learning_rate = schedule_.at(state_.step);
    const uint64_t mask_seed = mix64(mix64(options_.seed, kMaskStream), static_cast<uint64_t>(state_.batch));
    join_freed_memory();
    const StepResult result = train_step(decoder_, adapter_, *optimizer_, batches_.at(state_.batch), forests_,
                                         learning_rate, options_.max_grad_norm, mask_seed);
    ++state_.batch;
    if (!result.finite) return note_bad(result);
    state_.bad_in_a_row = 0;
    ++state_.step;
    note(result);
    conclude();
    show(result);
  }

  // What follows a step. A run that was stopped while its held-out loss was computed goes on here.
  void conclude() {
    const bool evaluates = state_.step % eval_steps_ == 0 || state_.step == length_.total_steps;
    std::optional<double> eval_loss;
    if (evaluates && !valid_rows_.empty()) eval_loss = evaluate();
    state_.seconds = seconds();
    if (state_.step % options_.logging_steps == 0 || evaluates) log(eval_loss);
    if (evaluates) save(eval_loss);
  }

  void note_bad(const StepResult& result) {
    require_finite(state_.step);  // where the step before broke the adapter, no row is to blame
    ++state_.bad_in_a_row;
    std::string lines;
    for (const size_t line : result.bad_lines) lines += (lines.empty() ? "" : ", ") + std::to_string(line);
    const std::string what = fmt::format("loss or gradient of a batch is not finite{}",
                                         lines.empty() ? "" : "; the loss was not in line " + lines);
    if (state_.bad_in_a_row >= kMostBadInARow)
      throw Error::input({.where = fmt::format("step {}", state_.step + 1),
                          .found = fmt::format("{} batches in a row: {}", kMostBadInARow, what),
                          .fix = way_out()});
    warn(fmt::format("step {}: {}; the batch was left out", state_.step + 1, what));
  }

  // Stops between passes when asked to; the loss is then computed anew when the run goes on.
  double evaluate() {
    const ProfileScope scope("evaluate");
    state_.awaits_evaluation = true;
    const std::vector<Score> scores = score(decoder_, &adapter_, valid_rows_, forests_, [&](size_t done) {
      progress_.update(fmt::format("step {}/{}  held-out loss: {} of {} rows", state_.step,
                                   length_.total_steps, done, valid_rows_.size()));
      if (done < valid_rows_.size() && run_.stop()) stop();
    });
    state_.awaits_evaluation = false;
    const Score sum = total(scores);
    if (!std::isfinite(sum.nll)) refuse_held_out(scores);
    return sum.nll / static_cast<double>(sum.tokens);
  }

  // The best adapter cannot be told by a loss that is not a number.
  [[noreturn]] void refuse_held_out(const std::vector<Score>& scores) const {
    require_finite(state_.step);
    std::string lines;
    for (size_t i = 0; i < scores.size(); ++i)
      if (!std::isfinite(scores[i].nll))
        lines += (lines.empty() ? "" : ", ") + std::to_string(valid_rows_[i].line);
    throw Error::input({.where = fmt::format("step {}", state_.step),
                        .found = "the loss of held-out rows is not finite: line " + lines,
                        .fix = way_out()});
  }

  // Out of a loss that is no number.
  std::string way_out() const {
    if (state_.step == 0) return "Look at those rows: the adapter has changed nothing yet.";
    const std::optional<int64_t> newest = checkpoints_.newest();
    return "Look at those rows, or lower learning_rate, with another output_dir. " +
           (newest ? checkpoints_.path_of(*newest).string() + " is the newest checkpoint."
                   : "There is no checkpoint yet.");
  }

  // Of the adapter that this step made, and of what the optimizer goes on with.
  void require_finite(int64_t step) const { checkpoints_.require_finite(step, adapter_, optimizer_.get()); }

  void note(const StepResult& r) {
    UnloggedSteps& steps = state_.unlogged;
    steps.loss += r.loss * r.weight;
    steps.weight += r.weight;
    steps.grad_norm = r.grad_norm;
    steps.examples += r.examples;
    steps.tokens += r.tokens;
    steps.unique_tokens += r.unique_tokens;
    steps.supervised_tokens += r.supervised_tokens;
  }

  void log(std::optional<double> eval_loss) {
    const UnloggedSteps& steps = state_.unlogged;
    metrics_.append(
        {.step = state_.step,
         .epoch = static_cast<double>(state_.batch) / static_cast<double>(length_.steps_per_epoch),
         .loss = steps.loss / steps.weight,
         .eval_loss = eval_loss,
         .learning_rate = schedule_.at(state_.step - 1),
         .grad_norm = steps.grad_norm,
         .examples = steps.examples,
         .tokens = steps.tokens,
         .unique_tokens = steps.unique_tokens,
         .supervised_tokens = steps.supervised_tokens,
         .seconds = state_.seconds});
    state_.unlogged = {};
  }

  void save(std::optional<double> eval_loss) {
    const ProfileScope scope("checkpoint");
    if (eval_loss && (!state_.best_eval_loss || *eval_loss < *state_.best_eval_loss)) {
      state_.best_eval_loss = eval_loss;
      state_.best_step = state_.step;
    }
    if (valid_rows_.empty()) state_.best_step = state_.step;
    checkpoints_.save(state_, adapter_, *optimizer_, run_.record);
  }

  [[noreturn]] void stop() {
    state_.seconds = seconds();
    checkpoints_.save(state_, adapter_, *optimizer_, run_.record);
    throw Error(ErrorKind::kInterrupted,
                {.where = run_.output_dir.string(),
                 .found = fmt::format("stopped after step {} of {}{}; a checkpoint is saved", state_.step,
                                      length_.total_steps,
                                      state_.awaits_evaluation ? ", before its held-out loss was known" : ""),
                 .fix = "Give the same command again to go on."});
  }

  TrainReport finish() {
    progress_.clear();
    // The adapter that is kept is the best one, not the last.
    if (state_.best_step != state_.step) checkpoints_.read_adapter(state_.best_step, adapter_);
    checkpoints_.require_finite(state_.best_step, adapter_);
    const fs::path final_path = run_.output_dir / "adapter",
                   temporary = run_.output_dir / "incomplete-adapter";
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    save_peft(temporary, adapter_, &run_.record);
    fs::remove_all(final_path);
    publish_directory(temporary, final_path);
    return {.steps = state_.step,
            .total_steps = length_.total_steps,
            .best_step = state_.best_step,
            .first_eval_loss = state_.first_eval_loss,
            .best_eval_loss = state_.best_eval_loss,
            .seconds = state_.seconds,
            .warnings = state_.warnings};
  }

  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }

  // Speed is over the steps of this sitting.
  void show(const StepResult& r) {
    sitting_.steps += 1;
    sitting_.tokens += r.tokens;
    sitting_.supervised += r.supervised_tokens;
    const double elapsed =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - sitting_.began).count();
    const double left = elapsed / static_cast<double>(sitting_.steps) *
                        static_cast<double>(length_.total_steps - state_.step);
    progress_.update(fmt::format(
        "step {}/{}  loss {:.4f}{}  {:.0f} tokens/s ({:.0f} supervised)  {}  {} left", state_.step,
        length_.total_steps, r.loss,
        state_.best_eval_loss ? fmt::format("  held-out {:.4f}", *state_.best_eval_loss) : "",
        static_cast<double>(sitting_.tokens) / elapsed, static_cast<double>(sitting_.supervised) / elapsed,
        bytes_text(static_cast<double>(peak_resident_bytes())), duration_text(left)));
  }

  const Decoder& decoder_;
  Adapter& adapter_;
  const std::vector<Example>& valid_rows_;
  const TrainOptions& options_;
  const TrainingRun& run_;
  Progress& progress_;
  Batches batches_;
  const RunLength length_;
  const Schedule schedule_;
  const ForestOptions forests_;
  const std::unique_ptr<Optimizer> optimizer_;
  const CheckpointFolder checkpoints_;
  const MetricsFile metrics_;
  const int64_t eval_steps_;

  TrainState state_;
  std::chrono::steady_clock::time_point began_{};
  struct {
    std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
    int64_t steps = 0, tokens = 0, supervised = 0;
  } sitting_;
};

}  // namespace

TrainReport train(const Decoder& decoder, Adapter& adapter, const std::vector<Example>& train_rows,
                  const std::vector<Example>& valid_rows, const TrainOptions& options, const TrainingRun& run,
                  Progress& progress) {
  if (train_rows.empty())
    throw Error::input({.where = "train_data", .found = "there are no rows to train on"});
  return Run(decoder, adapter, train_rows, valid_rows, options, run, progress).run();
}

}  // namespace lora
