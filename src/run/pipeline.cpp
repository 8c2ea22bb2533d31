#include "run/pipeline.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/folder_lock.h"
#include "base/memory.h"
#include "base/progress.h"
#include "data/finding_text.h"
#include "data/split.h"
#include "eval/row_checks.h"
#include "run/data_check.h"
#include "run/evaluate.h"
#include "run/judging.h"
#include "run/latency.h"
#include "run/other_adapters.h"
#include "run/plan.h"
#include "run/quantization.h"
#include "run/run_data.h"
#include "run/run_folder.h"
#include "run/session.h"
#include "train/batches.h"
#include "train/checkpoint.h"
#include "train/example.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

void require_given(const std::string& value, const std::string& key) {
  if (value.empty())
    throw Error::input(
        {.where = key,
         .found = "not given",
         .fix = fmt::format("Write `{} = \"…\"` in the configuration, or give --{}.", key, key)});
}

// What a record of an earlier sitting says; `otherwise` where it says nothing, or nothing of that type.
template <class T>
T recorded(const Json& record, const char* key, const T& otherwise) {
  try {
    return record.value(key, otherwise);
  } catch (const Json::type_error&) {
    return otherwise;
  }
}

class Pipeline {
 public:
  Pipeline(RunConfig config, Scope scope, Progress& progress)
      : config_(std::move(config)), scope_(scope), progress_(progress), folder_(config_.output_dir) {}

  PipelineResult run() {
    read_data();
    open_model();
    PipelineResult result;
    if (whole()) ask_before_training();
    Adapter adapter = Adapter::create(session_->decoder().config(), config_.adapter, config_.train.seed);
    result.training = train_adapter(adapter);
    if (whole()) {
      result.primary_why = metrics_->primary.why;
      result.evaluation = ask_after_training(adapter);
      result.golden = judge_golden(adapter);
    }
    result.notes = config_.notes;
    write_file_atomic(folder_ / "finished.json", finished_json(result).dump(2) + "\n", IfExists::kReplace);
    return result;
  }

 private:
  bool whole() const { return scope_ == Scope::kWholeRun; }

  void note(std::string text) {
    progress_.print("note: " + text);
    config_.notes.push_back(std::move(text));
  }

  std::string test_source() const {
    return config_.eval_data.empty() ? config_.train_data : config_.eval_data;
  }

  // A template that prints today's date must print the same one when the run goes on tomorrow: the first sitting's.
  TextOptions text_of_this_run() const {
    TextOptions text = config_.text;
    const fs::path record = folder_ / "run.json";
    if (!text.arguments.date.empty() || !fs::exists(record)) return text;
    const Json old = Json::parse(read_file(record), nullptr, false);
    if (old.is_object() && old.contains("template_date") && old["template_date"].is_string())
      text.arguments.date = old["template_date"].get<std::string>();
    return text;
  }

  // What the run will take, and the passes that it makes. A run that goes on keeps those of its beginning:
  // they decide how its sums are rounded.
  void plan(const TextSession& text, const ModelConfig& model) {
    const fs::path record = folder_ / "plan.json";
    const Json old = fs::exists(record) ? Json::parse(read_file(record), nullptr, false) : Json();
    const bool goes_on = old.is_object();
    RunConfig planned = config_;
    if (goes_on && (planned.memory_limit_bytes > 0 || planned.micro_batch_tokens == 0) &&
        recorded(old, "memory_limit", int64_t{0}) == planned.memory_limit_bytes) {
      planned.train.micro_batch_tokens =
          recorded(old, "micro_batch_tokens", planned.train.micro_batch_tokens);
      planned.micro_batch_tokens = planned.train.micro_batch_tokens;
      if (planned.memory_limit_bytes > 0) {
        planned.train.recompute =
            recompute_named(recorded(old, "recompute", std::string())).value_or(planned.train.recompute);
        planned.train.pass_bytes = recorded(old, "pass_bytes", int64_t{0});
        planned.base_in_file = recorded(old, "base_in_file", false);
      }
      planned.memory_limit_bytes = 0;
    }
    plan_ = plan_run(planned, text, model, split_, rows_,
                     {.whole_run = scope_ == Scope::kWholeRun,
                      // Training alone begins at once; `lora plan` says how long it takes.
                      .measure_time = scope_ == Scope::kWholeRun && !goes_on,
                      .repeats = 1});
    config_.train.micro_batch_tokens = plan_.micro_batch_tokens;
    config_.train.recompute = plan_.recompute;
    config_.train.pass_bytes = plan_.pass_bytes;
    config_.base_in_file = plan_.base_in_file;
    if (!plan_.why.empty())
      progress_.print((config_.memory_limit_bytes > 0 ? "memory_limit: " : "passes: ") + plan_.why);
    progress_.print(fmt::format("plan: {} at the peak{}",
                                bytes_text(static_cast<double>(plan_.memory.total())),
                                plan_.time ? ", training in " + duration_text(plan_.time->training) : ""));
    if (plan_.saved_by_sharing() > 0)
      progress_.print(
          fmt::format("beginnings that rows of a step share are computed once: {:.0f} % fewer tokens",
                      100 * plan_.saved_by_sharing()));
    for (const std::string& told : plan_.notes) progress_.print("note: " + told);
  }

  // Configuration, rows and what is measured on them: what is wrong with these is told before anything is written.
  void read_data() {
    finish(config_);
    require_given(config_.train_data, "train_data");
    require_given(config_.output_dir, "output_dir");
    for (const std::string& told : config_.notes) progress_.print("note: " + told);
    RunData data = read_run_data(config_, whole());
    for (std::string& told : data.notes) note(std::move(told));
    split_ = std::move(data.split);
    if (whole()) metrics_ = choose_metrics(all_checks(), split_.test, split_.train);
  }

  // The model, the plan, and the folder of the run.
  void open_model() {
    keep_freed_memory();
    if (config_.threads > 0) at::set_num_threads(static_cast<int>(config_.threads));
    auto text = std::make_unique<TextSession>(config_.model, text_of_this_run());
    const ModelConfig model = read_model_config(text->checkpoint());
    std::vector<std::string> notes;
    rows_ = make_planned_rows(config_, *text, model, split_, notes);
    for (std::string& told : notes) note(std::move(told));
    plan(*text, model);
    session_ =
        std::make_unique<const Session>(config_.model, std::move(text),
                                        SessionOptions{config_.threads,
                                                       config_.device,
                                                       config_.reference,
                                                       {},
                                                       config_.load_in_4bit,
                                                       precision_named(config_.float32_matmul_precision),
                                                       config_.base_in_file});
    if (config_.load_in_4bit)
      if (auto told = load_in_4bit_note(*session_)) note(std::move(*told));
    length_ = run_length(config_.train, static_cast<int64_t>(rows_.train.size()));
    interval_ = checkpoint_interval(config_.train, length_.total_steps);
    if (whole()) {
      check_checkpoints(config_.judging, interval_, length_.total_steps);
      open_adapters(*session_, config_.judging);  // what cannot be asked is told now
    }
    const CheckReport findings = check_training_data(config_, session_->text());
    for (const std::string& line : findings_in_lines(findings)) progress_.print("check: " + line);
    run_hash_ = make_run_hash(config_, scope_, *session_);
    lock_.emplace(open_run_folder(config_, scope_, run_hash_, split_, *session_));
    if (!fs::exists(folder_ / "plan.json"))
      write_file_atomic(folder_ / "plan.json", plan_json(plan_).dump(2) + "\n", IfExists::kReplace);
    write_file_atomic(folder_ / "check.json", findings_json(findings.findings) + "\n", IfExists::kReplace);
  }

  // Base and few-shot base: would prompting have done?
  void ask_before_training() {
    questions_ = asked(split_.test, test_source());
    if (std::ranges::any_of(split_.golden, [&](const Conversation& row) { return metrics_->decides(row); }))
      golden_questions_ = asked(split_.golden, config_.train_data);
    contestants_.push_back(ask_base());
    if (auto few_shot = ask_with_examples()) contestants_.push_back(std::move(*few_shot));
  }

  TrainReport train_adapter(Adapter& adapter) {
    describe();
    if (session_->quantized_on_load()) {
      quantization_ = measure_quantization(
          *session_, Batches(rows_.train, config_.train).at(0),
          {.share_prefixes = config_.train.share_prefixes, .max_tokens = config_.train.micro_batch_tokens});
      progress_.print(quantization_->sentence());
      release_start_up_memory();  // what that took has other sizes than what training takes
    }
    return train(session_->decoder(), adapter, rows_.train, rows_.valid, config_.train,
                 {folder_, run_hash_, session_->record(),
                  [&](int64_t step) {
                    return whole() && names_checkpoint(config_.judging, step, interval_, length_.total_steps);
                  }},
                 progress_);
  }

  // Tuned, other adapters and checkpoints, endpoints; the latency of what runs here; the verdict.
  Evaluation ask_after_training(const Adapter& tuned) {
    std::vector<OtherAdapter> others = open_adapters(*session_, config_.judging);
    for (OtherAdapter& checkpoint : open_checkpoints(*session_, config_.judging, folder_ / "checkpoints",
                                                     interval_, length_.total_steps))
      others.push_back(std::move(checkpoint));
    for (ContestantAnswers& answers : ask_adapters(*session_, {{"tuned", &tuned}}, others, *questions_,
                                                   config_.eval_batch_size, progress_))
      contestants_.push_back(std::move(answers));
    measure(tuned, others);
    return judge_with_endpoints(config_.judging, config_.model, *questions_, contestants_, *metrics_,
                                folder_ / "eval", progress_)
        .evaluation;
  }

  // Those of the configuration and of the rows, training rows too: what is wrong with one is told before the training.
  DeclaredChecks all_checks() const {
    DeclaredChecks checks = with_row_checks(config_.checks, split_.test, test_source());
    for (const auto* rows : {&split_.valid, &split_.golden, &split_.train})
      checks = with_row_checks(std::move(checks), *rows, config_.train_data);
    return checks;
  }

  // What cannot be answered is told before the training.
  Questions asked(const std::vector<Conversation>& rows, const std::string& source) const {
    Questions questions = make_questions(*session_, rows, config_.max_new_tokens, source);
    require_room(*session_, questions, config_.max_new_tokens, source);
    return questions;
  }

  ContestantAnswers ask_base() {
    const fs::path file = folder_ / "eval" / "base.json";
    if (auto saved = load_answers(file, run_hash_, questions_->references.size())) return *saved;
    ContestantAnswers base = ask(*session_, nullptr, "base", *questions_, config_.eval_batch_size, progress_);
    save_answers(file, base, run_hash_);
    return base;
  }

  // The base with examples in its prompt, unless the user wants none: would prompting have done?
  std::optional<ContestantAnswers> ask_with_examples() {
    if (!config_.few_shot) return std::nullopt;
    const fs::path file = folder_ / "eval" / "few_shot.json";
    if (auto saved = load_answers(file, run_hash_, questions_->references.size())) return saved;
    const FewShotExamples examples(split_.train, config_.train.seed);
    auto few_shot = ask_few_shot(*session_, examples, *questions_, split_.test, split_.valid, *metrics_,
                                 config_.eval_batch_size, progress_);
    if (!few_shot) {
      progress_.print(
          "note: the base is not asked with examples in its prompt, since no training row can serve, or none "
          "fits the context");
      return std::nullopt;
    }
    save_answers(file, *few_shot, run_hash_);
    const PrimaryTally reached = tally_primary(*metrics_, questions_->rows, few_shot->answers);
    progress_.print(fmt::format(
        "the base, shown {} examples: {}{}", few_shot->num_fewshot, reached.in_words(metrics_->primary.name),
        reached.mean() >= 0.9 ? ". Prompting already does this well; Ctrl-C saves the training" : ""));
    return few_shot;
  }

  // The latency of what runs on this machine. Checkpoints take what tuned takes, and are not measured.
  void measure(const Adapter& tuned, const std::vector<OtherAdapter>& others) {
    std::vector<LocalContestant> local;
    for (ContestantAnswers& answers : contestants_) {
      const auto other = std::ranges::find(others, answers.name, &OtherAdapter::name);
      if (other != others.end() && other->is_checkpoint) continue;
      local.push_back({&answers, answers.name == "tuned" ? &tuned
                                 : other != others.end() ? &other->adapter
                                                         : nullptr});
    }
    measure_latency(*session_, local, *questions_, latency_options(config_), folder_ / "eval", progress_);
  }

  // Golden rows are the user's own touchstones, chosen and not drawn: they are asked apart, and decide nothing.
  std::optional<Evaluation> judge_golden(const Adapter& adapter) {
    if (!golden_questions_) return std::nullopt;
    const Questions& questions = *golden_questions_;
    const int64_t batch = config_.eval_batch_size;
    const fs::path folder = folder_ / "eval" / "golden";
    make_folder(folder);
    return judge(
        questions,
        ask_together(*session_, {{"base", nullptr}, {"tuned", &adapter}}, questions, batch, progress_),
        *metrics_, folder);
  }

  void describe() {
    int64_t supervised = 0, tokens = 0;
    for (const Example& e : rows_.train) {
      supervised += e.num_supervised();
      tokens += static_cast<int64_t>(e.ids.size());
    }
    progress_.print(fmt::format("{}: {:.1f}M parameters; {}", config_.model,
                                static_cast<double>(session_->decoder().config().num_parameters()) / 1e6,
                                split_.why));
    progress_.print(fmt::format(
        "training on {} rows, {} tokens ({} supervised); {}; {} steps of {} examples", rows_.train.size(),
        tokens, supervised,
        rows_.valid.empty() ? "the last checkpoint is kept"
                            : fmt::format("{} held-out rows choose the checkpoint", rows_.valid.size()),
        length_.total_steps, config_.train.batch_size()));
    if (precision() == MatmulPrecision::kHigh && config_.float32_matmul_precision == "auto")
      progress_.print(
          "float32_matmul_precision: high, as the base is quantized; \"highest\" counts every bit of a "
          "number, "
          "slower where the processor has tiles");
  }

  MatmulPrecision precision() const { return session_->decoder().weights().precision(); }

  Json finished_json(const PipelineResult& result) const {
    Json json{{"format", 1}, {"steps", result.training.steps}, {"best_step", result.training.best_step}};
    json["eval_loss_first"] =
        result.training.first_eval_loss ? Json(*result.training.first_eval_loss) : Json(nullptr);
    json["eval_loss_best"] =
        result.training.best_eval_loss ? Json(*result.training.best_eval_loss) : Json(nullptr);
    json["training_seconds"] = result.training.seconds;
    json["float32_matmul_precision"] = precision_name(precision());
    json["peak_memory_bytes"] = peak_resident_bytes();  // of this sitting
    if (quantization_)
      json["load_in_4bit"] = {{"examples", quantization_->examples},
                              {"loss_full_precision", quantization_->full_precision},
                              {"loss_4bit", quantization_->four_bit}};
    json["warnings"] = result.training.warnings;
    if (result.evaluation) json["verdict"] = verdict_name(result.evaluation->verdict);
    return json;
  }

  RunConfig config_;
  Scope scope_;
  Progress& progress_;
  fs::path folder_;
  Split split_;
  std::optional<Metrics> metrics_;  // these and all below that concern answers: of a whole run
  PlannedRows rows_;
  PlannedRun plan_;
  std::unique_ptr<const Session> session_;
  RunLength length_{};
  int64_t interval_ = 0;  // steps between checkpoints
  std::string run_hash_;
  std::optional<FolderLock> lock_;
  std::optional<Questions> questions_, golden_questions_;
  std::vector<ContestantAnswers> contestants_;
  std::optional<QuantizationLoss> quantization_;
};

}  // namespace

PipelineResult run_pipeline(RunConfig config, Scope scope, Progress& progress) {
  return Pipeline(std::move(config), scope, progress).run();
}

}  // namespace lora
