#include "run/plan.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/spill_file.h"
#include "eval/summary.h"
#include "generate/cache_need.h"
#include "run/evaluate.h"
#include "run/few_shot.h"
#include "run/other_adapters.h"
#include "train/optimizer.h"
#include "train/pass_choice.h"
#include "train/plan_notes.h"
#include "train/run_passes.h"
#include "train/step_trial.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A trial of some layers and the head shall take no longer than a second or so on a small machine; a smaller one than this is
// not like a pass.
constexpr double kTrialFlops = 150e9;
constexpr int64_t kSmallestTrial = 128;
constexpr int64_t kLargestPass = int64_t{1} << 20;

BaseStorage storage_of(const RunConfig& config) {
  return base_storage(config.load_in_4bit, config.base_in_file);
}

// One list of questions, asked of one contestant.
struct Asking {
  CacheNeed need;
  double answer_tokens = 0;  // of all answers together, if they are as long as the references
  double passes = 0;         // of decoding
};

// What is asked in a whole run: the base and the tuned model as they are; the base with examples, and which number of
// them does best on `valid`.
class Questioning {
 public:
  Questioning(const RunConfig& config, const TextSession& text, const ModelConfig& model, const Split& split)
      : text_(text), model_(model) {
    options_.batch_size = config.eval_batch_size;
    options_.within_context = true;
    const std::string& test_source = config.eval_data.empty() ? config.train_data : config.eval_data;
    const auto plain = [&](const std::vector<Conversation>& rows, const std::string& source) {
      int64_t longest = 0;
      for (const Conversation& row : rows) longest = std::max(longest, answer_length(row));
      options_.max_new_tokens = most_new_tokens(config.max_new_tokens, longest);
      const auto before = [](const Conversation& row) {
        return std::vector<Message>(row.messages.begin(), row.messages.end() - 1);
      };
      const Asking asked = asking(rows, before, [&](const Conversation& row, int64_t prompt_tokens) {
        require_room(prompt_tokens, config.max_new_tokens, model_.max_position_embeddings,
                     fmt::format("{}:{}", source, row.line));
      });
      for (int i = 0; i < 2; ++i) add(asked);
    };
    if (std::ranges::any_of(split.golden, [](const Conversation& row) { return !row.messages.empty(); }))
      plain(split.golden, config.train_data);
    plain(split.test, test_source);
    options_.within_context =
        false;  // examples are left out where the longest answer has no room beside them
    if (!config.few_shot) return;
    const FewShotExamples examples(split.train, config.train.seed);
    if (!examples.any_for(split.test)) return;
    for (const size_t k : kFewShotTried) {
      const auto with = [&](const Conversation& row) { return examples.prompt(row, k); };
      const auto any = [](const Conversation&, int64_t) {};
      const Asking tried = asking(split.valid, with, any), asked = asking(split.test, with, any);
      const int64_t context = model.max_position_embeddings;
      if (tried.need.longest > context || asked.need.longest > context) break;
      add(tried);
      if (k == std::end(kFewShotTried)[-1]) add(asked);
    }
  }

  AnswersShape shape() const { return shape_; }
  int64_t batch() const { return shape_.batch; }
  int64_t prompt_tokens() const { return std::max<int64_t>(1, shape_.longest - options_.max_new_tokens / 2); }

  double seconds(const StepTrial& trial) const {
    double sum = 0;
    for (const Asking& a : asked_) {
      const StepSize size{a.need.prompt_tokens, 0, 0};
      sum += pass_work(model_, 0, size, a.need.prompt_tokens).layers / 2 / trial.reading +
             a.passes * trial.decoding;
    }
    return sum;
  }

 private:
  int64_t answer_length(const Conversation& row) const {
    if (row.messages.empty()) return 0;
    return static_cast<int64_t>(text_.tokenizer().encode(row.messages.back().content, Special::kText).size());
  }

  // check(row, prompt_tokens): of each row, may refuse it.
  template <class Prompt, class Check>
  Asking asking(const std::vector<Conversation>& rows, const Prompt& prompt, const Check& check) const {
    Asking result;
    std::vector<std::vector<int32_t>> prompts;
    double longest = 0;
    for (const Conversation& row : rows) {
      if (row.messages.empty()) continue;
      prompts.push_back(text_.renderer().render_prompt(prompt(row), row.tools));
      check(row, static_cast<int64_t>(prompts.back().size()));
      const auto length = static_cast<double>(answer_length(row)) + 1;
      result.answer_tokens += length;
      longest = std::max(longest, length);
    }
    result.need = cache_need(model_, prompts, options_);
    // Places that become free are filled, so all passes but the last are full.
    const auto batch =
        static_cast<double>(std::min<int64_t>(options_.batch_size, static_cast<int64_t>(rows.size())));
    result.passes = batch > 0 ? std::max(longest, result.answer_tokens / batch) : 0;
    return result;
  }

  void add(const Asking& a) {
    shape_.cache_rows = std::max(shape_.cache_rows, a.need.rows);
    shape_.prefill_tokens = std::max(shape_.prefill_tokens, a.need.prefill_tokens);
    shape_.longest = std::max(shape_.longest, a.need.longest);
    shape_.batch = options_.batch_size;
    asked_.push_back(a);
  }

  const TextSession& text_;
  const ModelConfig& model_;
  GenerateOptions options_;
  AnswersShape shape_;
  std::vector<Asking> asked_;
};

// What would make a run smaller, most first. `asks`: writing answers takes more than training.
std::string advice(const RunConfig& config, const BaseBytes& base, bool asks) {
  std::vector<std::string> ways;
  if (asks) ways.emplace_back("a smaller eval_batch_size");
  if (asks && config.few_shot) ways.emplace_back("few_shot = false");
  if (!config.load_in_4bit && base.mapped == 0) ways.emplace_back("load_in_4bit");
  ways.emplace_back("a smaller max_seq_length (or fewer long rows)");
  if (!is_adamw_8bit(config.train.optim)) ways.emplace_back("optim = \"adamw_8bit\"");
  if (config.adapter.r > 8) ways.emplace_back("a smaller r");
  if (config.recompute != "auto" && config.recompute != "block") ways.emplace_back("recompute = \"auto\"");
  ways.emplace_back("a smaller or more quantized base");
  std::string text = "Raise it, or take ";
  for (size_t i = 0; i < ways.size(); ++i)
    text += (i == 0 ? "" : i + 1 == ways.size() ? ", or " : ", ") + ways[i];
  return text + ".";
}

// Passes of `tokens` tokens of these rows, when all that could be wide in them is. `supervised`: the largest share of them known from
// passes, where prompts that rows share stand once; that of a row may be larger.
PassSize largest_size(const std::vector<Example>& rows, int64_t tokens, double supervised) {
  int64_t longest = 0;
  for (const Example& row : rows) {
    supervised = std::max(
        supervised, static_cast<double>(row.num_supervised()) / static_cast<double>(row.input_length()));
    longest = std::max(longest, row.input_length());
  }
  const auto predicted = static_cast<int64_t>(std::min(1.0, supervised) * static_cast<double>(tokens));
  return {tokens, predicted, predicted, longest};
}

int64_t directory_free(const fs::path& path) {
  fs::path place = path.empty() ? fs::path(".") : path;
  std::error_code code;
  while (!place.empty() && !fs::exists(place, code) && place.has_parent_path() &&
         place != place.parent_path())
    place = place.parent_path();
  const fs::space_info space = fs::space(place.empty() || !fs::exists(place, code) ? "." : place, code);
  return code ? 0 : static_cast<int64_t>(space.available);
}

// asked: checkpoints that contestants name.
PlannedDisk plan_disk(const RunConfig& config, const ModelConfig& model, const PlannedRun& plan,
                      size_t spilled, int64_t asked) {
  PlannedDisk disk;
  disk.adapter = adapter_bytes(model, config.adapter);
  const int64_t one = disk.adapter + optimizer_bytes(config.train.optim, model, config.adapter);
  // The newest two, the best and those that will be asked are kept, and a new one is whole before the oldest goes
  // (train/checkpoint.cpp).
  const int64_t interval = checkpoint_interval(config.train, plan.length.total_steps);
  const int64_t written = (plan.length.total_steps + interval - 1) / interval;
  disk.number_kept = std::min(written, 3 + asked);
  disk.checkpoints = std::min(written, 4 + asked) * one;
  std::error_code code;
  int64_t data = 0;
  for (const std::string& file : {config.train_data, config.eval_data})
    if (!file.empty() && fs::exists(file, code)) data += static_cast<int64_t>(fs::file_size(file, code));
  constexpr int64_t kLine = 300;       // of metrics.jsonl
  constexpr int64_t kContestants = 3;  // in answers.jsonl, and once more in report.html
  disk.records = data + plan.length.total_steps / config.train.logging_steps * kLine +
                 2 * kContestants * data * static_cast<int64_t>(plan.test_rows) /
                     std::max<int64_t>(1, static_cast<int64_t>(plan.train_rows + plan.test_rows));
  disk.free = directory_free(config.output_dir);
  if (spilled > 0) {
    disk.temporary = static_cast<int64_t>(spilled);
    disk.temporary_folder = spill_folder();
    disk.temporary_free = directory_free(disk.temporary_folder);
  }
  return disk;
}

void note_machine(const PlannedRun& plan, std::vector<std::string>& notes) {
  const auto text = [](int64_t bytes) { return bytes_text(static_cast<double>(bytes)); };
  if (plan.memory_available > 0 && plan.memory.total() - plan.memory.program > plan.memory_available)
    notes.push_back(fmt::format(
        "memory: the run takes {}, and this machine has {} free; it would swap or be killed. "
        "memory_limit = \"{}MB\" has passes chosen that fit, if any do",
        text(plan.memory.total()), text(plan.memory_available), plan.memory_available * 9 / 10 / 1'000'000));
  if (plan.memory_limit > 0 && plan.memory.total() > plan.memory_limit)
    notes.push_back(
        fmt::format("memory: the run takes {}, which is above memory_limit", text(plan.memory.total())));
  if (plan.disk.free > 0 && plan.disk.total() > plan.disk.free)
    notes.push_back(fmt::format("disk: the run writes {}, and there are {} free where output_dir lies",
                                text(plan.disk.total()), text(plan.disk.free)));
  if (plan.disk.temporary_free > 0 && plan.disk.temporary > plan.disk.temporary_free)
    notes.push_back(
        fmt::format("disk: the base takes {} of a temporary file, and there are {} free in {}; set TMPDIR to "
                    "a folder with more",
                    text(plan.disk.temporary), text(plan.disk.temporary_free), plan.disk.temporary_folder));
}

// What is resident before weights are loaded, and stays.
int64_t resident_since_start() {
  release_start_up_memory();
  return resident_bytes();
}

// Puts a plan together, step by step.
class Planner {
 public:
  Planner(RunConfig config, const TextSession& text, const ModelConfig& model, const Split& split,
          const PlannedRows& rows, const PlanOptions& options)
      : config_(std::move(config)),
        checkpoint_(text.checkpoint()),
        model_(model),
        rows_(rows),
        options_(options),
        train_(config_.train),
        memory_{model,
                config_.adapter,
                config_.train.optim,
                base_bytes(checkpoint_, model, at::kFloat, storage_of(config_)),
                resident_since_start(),
                at::get_num_threads()} {
    memory_.precision =
        precision_named(config_.float32_matmul_precision).value_or(memory_.base.training_precision());
    plan_.test_rows = options.whole_run ? split.test.size() : 0;
    if (!options.whole_run) return;
    asked_.emplace(config_, text, model, split);
    memory_.answers = asked_->shape();
  }

  PlannedRun run() {
    if (is_plain() && config_.memory_limit_bytes > 0)
      throw Error::input(
          {.where = "memory_limit",
           .found = on_gpu()
                        ? "the model computes on " + config_.device
                        : "reference = true computes by plain operations, which keep all that they compute",
           .fix = "memory_limit is of the CPU's memory and of the fused operations: leave it out, and set "
                  "micro_batch_tokens."});
    count();
    const PassLimits limits = choose();
    const RunPasses training = training_passes(model_, rows_.train, train_),
                    scoring = scoring_passes(model_, rows_.valid, train_);
    weigh(training, scoring, limits);
    if (options_.measure_time && !is_plain()) time(training, scoring);
    plan_.disk = plan_disk(config_, model_, plan_, memory_.base.spilled, named_checkpoints_);
    plan_.notes = plan_notes(model_, config_.adapter, train_,
                             {static_cast<int64_t>(rows_.train.size()), plan_.supervised});
    if (on_gpu())
      plan_.notes.push_back(
          fmt::format("device: memory is planned as if the CPU computed; on {} the base is unpacked and the "
                      "plain operations keep all "
                      "that they compute, and neither that nor the time is planned",
                      config_.device));
    else if (config_.reference)
      plan_.notes.emplace_back(
          "reference: memory is planned as if the fused operations computed; plain ones unpack the base and "
          "keep all that they compute, and neither that nor the time is planned");
    else
      note_machine(plan_, plan_.notes);
    return plan_;
  }

 private:
  bool on_gpu() const { return config_.device != "cpu"; }
  bool is_plain() const { return on_gpu() || config_.reference; }

  void count() {
    plan_.model = config_.model;
    plan_.parameters = model_.num_parameters();
    plan_.trainable = adapter_weights(model_, config_.adapter);
    plan_.train_rows = rows_.train.size();
    plan_.valid_rows = rows_.valid.size();
    for (const Example& row : rows_.train) {
      plan_.tokens += static_cast<int64_t>(row.ids.size());
      plan_.supervised += row.num_supervised();
      plan_.longest_row = std::max(plan_.longest_row, row.input_length());
    }
    plan_.length = run_length(train_, static_cast<int64_t>(rows_.train.size()));
    plan_.examples_a_step = std::min<int64_t>(train_.batch_size(), static_cast<int64_t>(rows_.train.size()));
    for (const Example& row : rows_.valid) {
      valid_tokens_ += row.input_length();
      longest_valid_ = std::max(longest_valid_, row.input_length());
    }
    if (!options_.whole_run) return;
    named_checkpoints_ = count_named_checkpoints(
        config_.judging, checkpoint_interval(train_, plan_.length.total_steps), plan_.length.total_steps);
    memory_.answers.other_adapters =
        named_checkpoints_ + std::ranges::count_if(config_.judging.contestants, [](const auto& contestant) {
          return !contestant.adapter.empty();
        });
  }

  // The peak of a run whose passes have up to so many tokens; those of training no more than `most`.
  int64_t bytes_of(int64_t tokens, const Recompute& recompute, int64_t most = kLargestPass) const {
    MemoryInput one = memory_;
    one.training = {largest_size(rows_.train, std::min(tokens, most), supervised_share_)};
    if (!rows_.valid.empty())
      one.scoring = {largest_size(
          rows_.valid, std::clamp(tokens, longest_valid_, std::max(longest_valid_, valid_tokens_)), 0)};
    return plan_memory(one, recompute).total();
  }

  // What some steps of the run lay in passes of up to so many tokens.
  LaidTokens laid(int64_t tokens) const {
    constexpr int64_t kSampledTokens = int64_t{1} << 17;
    TrainOptions train = train_;
    train.micro_batch_tokens = tokens;
    const RunPasses sample = training_passes(model_, rows_.train, train, kSampledTokens);
    return {sample.size.unique_tokens, static_cast<int64_t>(sample.passes.size())};
  }

  // Larger passes where rows share long prompts, in half of the memory that is free.
  void widen() {
    const int64_t usual = train_.micro_batch_tokens,
                  memory = plan_.memory_limit > 0 ? plan_.memory_limit : plan_.memory_available / 2;
    train_.micro_batch_tokens = passes_for_shared_prompts(
        usual, [&](int64_t tokens) { return laid(tokens).tokens; },
        [&](int64_t tokens) { return bytes_of(tokens, train_.recompute) <= memory; });
    if (train_.micro_batch_tokens > usual)
      plan_.why = fmt::format(
          "{} tokens a pass, since in passes of {} the prompts that rows share would be laid too often",
          train_.micro_batch_tokens, usual);
  }

  // The passes: as configured, or as the limit and the rows have it.
  PassLimits choose() {
    plan_.memory_limit = config_.memory_limit_bytes;
    plan_.memory_available = available_memory();
    const RunPasses usual = training_passes(model_, rows_.train, train_);
    for (const PassSize& pass : usual.passes)
      supervised_share_ = std::max(supervised_share_,
                                   static_cast<double>(pass.supervised) / static_cast<double>(pass.tokens));
    if (config_.micro_batch_tokens == 0 && train_.share_prefixes && !on_gpu()) widen();
    PassLimits limits{plan_.memory_limit, train_.micro_batch_tokens, plan_.longest_row,
                      model_.num_hidden_layers};
    if (config_.recompute != "auto") limits.recompute = train_.recompute;
    if (plan_.memory_limit > 0) {
      RunConfig in_file = config_;
      in_file.base_in_file = true;
      const BaseBytes left = base_bytes(checkpoint_, model_, at::kFloat, storage_of(in_file));
      limits.base_bytes = static_cast<int64_t>(memory_.base.total() - left.total());
      limits.parameters = plan_.parameters;
      MemoryInput smallest = memory_;
      smallest.training = {largest_size(rows_.train, plan_.longest_row, supervised_share_)};
      const bool asks = plan_memory(smallest, limits.recompute.value_or(Recompute::kBlock)).cache > 0;
      // Where a step has fewer tokens than a pass may hold, it takes no more.
      int64_t most = 0;
      for (const PassSize& pass : training_passes(model_, rows_.train, train_).passes)
        most = std::max(most, pass.tokens);
      const PassChoice choice = choose_passes(
          limits,
          {[&](int64_t tokens, const Recompute& recompute) { return bytes_of(tokens, recompute, most); },
           [&](int64_t tokens) { return laid(tokens); }},
          advice(config_, memory_.base, asks));
      train_.micro_batch_tokens = choice.micro_batch_tokens;
      train_.recompute = choice.recompute;
      if (choice.base_in_file) {
        config_.base_in_file = true;
        memory_.base = left;
      }
      plan_.why = choice.why;
    }
    plan_.micro_batch_tokens = train_.micro_batch_tokens;
    plan_.recompute = train_.recompute;
    plan_.base_in_file = config_.base_in_file;
    plan_.precision = memory_.precision;
    return limits;
  }

  // Memory by category, and the largest pass that would fit.
  void weigh(const RunPasses& training, const RunPasses& scoring, PassLimits limits) {
    const auto steps = static_cast<double>(training.steps);
    plan_.passes_a_step = static_cast<double>(training.passes.size()) / steps;
    plan_.tokens_a_step = training.tokens_a_step();
    plan_.unique_tokens_a_step = static_cast<double>(training.size.unique_tokens) / steps;
    memory_.training = training.passes;
    memory_.scoring = scoring.passes;
    if (plan_.memory_limit > 0 && config_.recompute == "auto") {
      const MemoryPlan all = plan_memory(memory_, train_.recompute);
      train_.pass_bytes =
          plan_.memory_limit - (all.program + all.base + all.adapter + all.gradients + all.optimizer);
    }
    plan_.pass_bytes = memory_.pass_bytes = train_.pass_bytes;
    plan_.memory = plan_memory(memory_, train_.recompute);

    if (plan_.memory_limit <= 0) limits.memory_limit = plan_.memory_available + plan_.memory.program;
    plan_.largest_pass =
        largest_pass(limits, train_.recompute, kLargestPass,
                     [&](int64_t tokens, const Recompute& recompute) { return bytes_of(tokens, recompute); });
    const double unique_a_row = plan_.unique_tokens_a_step / static_cast<double>(plan_.examples_a_step);
    plan_.rows_of_largest_pass =
        unique_a_row > 0 ? static_cast<double>(plan_.largest_pass) / unique_a_row : 0;
  }

  // Relative to keeping everything.
  double work_of(const RunPasses& passes) const {
    const PassModel model = pass_model(model_, config_.adapter, at::get_num_threads(), memory_.precision);
    double work = 0, tokens = 0;
    for (const PassSize& pass : passes.passes) {
      const Recompute recompute = least_recompute(model, pass, train_.pass_bytes, train_.recompute);
      work += relative_work(recompute, model_.num_hidden_layers) * static_cast<double>(pass.tokens);
      tokens += static_cast<double>(pass.tokens);
    }
    return work / tokens;
  }

  // Measured on the first layers of the model.
  void time(const RunPasses& training, const RunPasses& scoring) {
    TrainOptions trial_options = train_;
    const double flops =
        2 * step_cost(model_, 0, {1, 0, 0}).frozen / static_cast<double>(model_.num_hidden_layers) +
        4.0 * static_cast<double>(model_.vocab_size * model_.hidden_size);  // of a token
    trial_options.micro_batch_tokens = std::clamp(static_cast<int64_t>(kTrialFlops / flops), kSmallestTrial,
                                                  std::max(kSmallestTrial, train_.micro_batch_tokens));
    TrialOptions how{.storage = storage_of(config_),
                     .precision = precision_named(config_.float32_matmul_precision),
                     .repeats = options_.repeats};
    if (asked_) {
      how.batch = asked_->batch();
      how.prompt_tokens = asked_->prompt_tokens();
    }
    // All layers of the trial alike; then as much as the run's passes compute again.
    trial_options.recompute = {train_.recompute.level};
    StepTrial trial = try_steps(checkpoint_, model_, config_.adapter, trial_options,
                                typical_pass(model_, rows_.train, trial_options), how);
    trial.layers *= relative_work(trial_options.recompute, model_.num_hidden_layers) / work_of(training);
    PlannedTime& time = plan_.time.emplace();
    const auto total = static_cast<double>(plan_.length.total_steps);
    const double step_seconds =
        training_seconds(trial, model_, config_.adapter, training) / static_cast<double>(training.steps);
    const int64_t interval = checkpoint_interval(train_, plan_.length.total_steps);
    const auto scorings = rows_.valid.empty() ? 0.0 : 1 + std::ceil(total / static_cast<double>(interval));
    time.training = step_seconds * total + scorings * scoring_seconds(trial, model_, scoring);
    time.tokens_per_second = training.tokens_a_step() * total / time.training;
    if (asked_) time.asking = asked_->seconds(trial);
  }

  RunConfig config_;  // with what was chosen for the base
  const Checkpoint& checkpoint_;
  const ModelConfig& model_;
  const PlannedRows& rows_;
  const PlanOptions options_;
  TrainOptions train_;  // with the passes that were chosen
  MemoryInput memory_;
  std::optional<Questioning> asked_;
  PlannedRun plan_;
  double supervised_share_ = 0;  // of the tokens of a pass, the most
  int64_t valid_tokens_ = 0, longest_valid_ = 0, named_checkpoints_ = 0;
};

}  // namespace

PlannedRows make_planned_rows(RunConfig& config, const TextSession& text, const ModelConfig& model,
                              const Split& split, std::vector<std::string>& notes) {
  const int64_t context = model.max_position_embeddings;
  if (config.max_seq_length > context) {
    notes.push_back(
        fmt::format("max_seq_length: the model reads {} tokens, so {} is used", context, context));
    config.max_seq_length = context;
  }
  return {make_examples(text.renderer(), split.train, config.max_seq_length, config.train_data),
          make_examples(text.renderer(), split.valid, config.max_seq_length, config.train_data)};
}

PlannedRun plan_run(const RunConfig& config, const TextSession& text, const ModelConfig& model,
                    const Split& split, const PlannedRows& rows, const PlanOptions& options) {
  return Planner(config, text, model, split, rows, options).run();
}

double PlannedRun::saved_by_sharing() const {
  return tokens_a_step > 0 ? 1 - unique_tokens_a_step / tokens_a_step : 0;
}

Json plan_json(const PlannedRun& plan) {
  Json json{{"format", 1},
            {"model", plan.model},
            {"parameters", plan.parameters},
            {"trainable_parameters", plan.trainable},
            {"rows", {{"train", plan.train_rows}, {"valid", plan.valid_rows}, {"test", plan.test_rows}}},
            {"tokens", plan.tokens},
            {"supervised_tokens", plan.supervised},
            {"longest_row", plan.longest_row},
            {"steps", plan.length.total_steps},
            {"steps_per_epoch", plan.length.steps_per_epoch},
            {"examples_per_step", plan.examples_a_step},
            {"passes_per_step", plan.passes_a_step},
            {"tokens_per_step", plan.tokens_a_step},
            {"unique_tokens_per_step", plan.unique_tokens_a_step},
            {"micro_batch_tokens", plan.micro_batch_tokens},
            {"recompute", recompute_name(plan.recompute)},
            {"pass_bytes", plan.pass_bytes},
            {"base_in_file", plan.base_in_file},
            {"float32_matmul_precision", precision_name(plan.precision)}};
  if (!plan.why.empty()) json["why"] = plan.why;
  Json& memory = json["memory"] = Json::object();
  for (const auto& [name, bytes] : categories(plan.memory)) memory[name] = bytes;
  memory["total"] = plan.memory.total();
  if (plan.memory_limit > 0) json["memory_limit"] = plan.memory_limit;
  json["memory_available"] = plan.memory_available;
  json["largest_pass"] = {{"tokens", plan.largest_pass}, {"rows", plan.rows_of_largest_pass}};
  if (plan.time) {
    json["seconds"] = {{"training", plan.time->training}};
    if (plan.time->asking) json["seconds"]["asking"] = *plan.time->asking;
    json["tokens_per_second"] = plan.time->tokens_per_second;
  }
  json["disk"] = {{"checkpoints", plan.disk.checkpoints}, {"checkpoints_kept", plan.disk.number_kept},
                  {"adapter", plan.disk.adapter},         {"records", plan.disk.records},
                  {"total", plan.disk.total()},           {"free", plan.disk.free}};
  if (plan.disk.temporary > 0)
    json["disk"]["temporary"] = {{"bytes", plan.disk.temporary},
                                 {"folder", plan.disk.temporary_folder},
                                 {"free", plan.disk.temporary_free}};
  json["notes"] = plan.notes;
  return json;
}

}  // namespace lora
