#include "run/pipeline.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/version.h"
#include "data/chat_jsonl.h"
#include "data/finding_text.h"
#include "data/split.h"
#include "eval/row_checks.h"
#include "report/token_view.h"
#include "run/data_check.h"
#include "run/evaluate.h"
#include "run/judging.h"
#include "run/latency.h"
#include "run/other_adapters.h"
#include "run/plan.h"
#include "run/quantization.h"
#include "run/run_data.h"
#include "run/session.h"
#include "train/example.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Keys that change speed or what is shown, but not the result: a resumed run may differ in them.
bool changes_result(const std::string& key) {
  return key != "output_dir" && key != "eval_batch_size" && key != "logging_steps" && key != "threads" &&
         key != "model" && key != "train_data" && key != "eval_data" && key != "checks" &&
         key != "check_ignore" && key != "micro_batch_tokens" && key != "recompute" &&
         key != "memory_limit" && key != "latency_questions" && key != "price_per_hour";
}

void require_given(const std::string& value, const std::string& key) {
  if (value.empty())
    throw Error::input(
        {.where = key,
         .found = "not given",
         .fix = fmt::format("Write `{} = \"…\"` in the configuration, or give --{}.", key, key)});
}

void make_folder(const fs::path& folder) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code)
    throw Error::machine({.where = folder.string(),
                          .found = "the folder cannot be made: " + code.message(),
                          .fix = "Choose an output_dir that can be written."});
}

// Whether a folder may become a run's: absent, empty, or left by a run that was killed before its run.json stood.
bool is_free(const fs::path& folder) {
  if (!fs::exists(folder)) return true;
  if (!fs::is_directory(folder)) return false;
  return std::all_of(fs::directory_iterator(folder), fs::directory_iterator(),
                     [](const fs::directory_entry& entry) {
                       return entry.path().filename().string().starts_with("run.json.tmp.");
                     });
}

class Pipeline {
 public:
  Pipeline(RunConfig config, Scope scope, Progress& progress)
      : config_(std::move(config)), scope_(scope), progress_(progress), folder_(config_.output_dir) {}

  PipelineResult run() {
    finish(config_);
    require_given(config_.train_data, "train_data");
    require_given(config_.output_dir, "output_dir");
    for (const std::string& note : config_.notes) progress_.print("note: " + note);
    read_data();
    std::optional<Metrics>
        metrics;  // chosen first: a check that applies to no row is refused before anything is written
    if (scope_ == Scope::kWholeRun) metrics = choose_metrics(all_checks(), split_.test, split_.train);
    keep_freed_memory();
    if (config_.threads > 0) at::set_num_threads(static_cast<int>(config_.threads));
    auto text = std::make_unique<TextSession>(config_.model, text_of_this_run());
    const ModelConfig model = read_model_config(text->checkpoint());
    const int64_t context = model.max_position_embeddings;
    if (config_.max_seq_length > context) {
      config_.notes.push_back(
          fmt::format("max_seq_length: the model reads {} tokens, so {} is used", context, context));
      progress_.print("note: " + config_.notes.back());
      config_.max_seq_length = context;
    }
    PlannedRows rows{
        make_examples(text->renderer(), split_.train, config_.max_seq_length, config_.train_data),
        make_examples(text->renderer(), split_.valid, config_.max_seq_length, config_.train_data)};
    plan(*text, model, rows);
    const std::vector<Example>&train_rows = rows.train, &valid_rows = rows.valid;
    const Session session(config_.model, std::move(text),
                          {config_.threads, config_.reference, {}, config_.load_in_4bit});
    if (config_.load_in_4bit)
      if (const auto note = load_in_4bit_note(session)) {
        config_.notes.push_back(*note);
        progress_.print("note: " + *note);
      }
    const RunLength length = run_length(config_.train, static_cast<int64_t>(train_rows.size()));
    const int64_t interval = checkpoint_interval(config_.train, length.total_steps);
    if (scope_ == Scope::kWholeRun) {
      check_checkpoints(config_.judging, interval, length.total_steps);
      open_adapters(session, config_.judging);  // what cannot be asked is told now
    }
    const CheckReport findings = check_training_data(config_, session.text());
    for (const std::string& line : findings_in_lines(findings)) progress_.print("check: " + line);
    open_directory(session);
    if (!fs::exists(folder_ / "plan.json"))
      write_file_atomic(folder_ / "plan.json", plan_json(plan_).dump(2) + "\n", IfExists::kReplace);
    write_file_atomic(folder_ / "check.json", findings_json(findings.findings) + "\n", IfExists::kReplace);

    PipelineResult result;
    result.notes = config_.notes;
    std::optional<Questions> questions;
    std::vector<ContestantAnswers> contestants;
    if (scope_ == Scope::kWholeRun) {
      questions = make_questions(session, split_.test, config_.max_new_tokens, test_source());
      result.primary_why = metrics->primary.why;
      contestants.push_back(ask_base(session, *questions));
      if (auto few_shot = ask_with_examples(session, *questions, *metrics))
        contestants.push_back(std::move(*few_shot));
    }

    describe(session, train_rows, valid_rows);
    if (session.quantized_on_load()) {
      quantization_ =
          measure_quantization(session, train_rows, static_cast<size_t>(config_.train.batch_size()),
                               {config_.train.share_prefixes, config_.train.micro_batch_tokens});
      progress_.print(quantization_->sentence());
    }
    Adapter adapter = Adapter::create(session.decoder().config(), config_.adapter, config_.train.seed);
    result.training = train(session.decoder(), adapter, train_rows, valid_rows, config_.train,
                            {folder_, run_hash_, session.record(),
                             [&](int64_t step) {
                               return scope_ == Scope::kWholeRun &&
                                      names_checkpoint(config_.judging, step, length.total_steps);
                             }},
                            progress_);
    if (scope_ == Scope::kWholeRun) {
      std::vector<OtherAdapter> others = open_adapters(session, config_.judging);
      for (OtherAdapter& checkpoint :
           open_checkpoints(session, config_.judging, folder_ / "checkpoints", interval, length.total_steps))
        others.push_back(std::move(checkpoint));
      for (ContestantAnswers& answers : ask_adapters(session, {{"tuned", &adapter}}, others, *questions,
                                                     config_.eval_batch_size, progress_))
        contestants.push_back(std::move(answers));
      measure(session, adapter, others, *questions, contestants);
      result.evaluation = judge_with_endpoints(config_.judging, config_.model, *questions, contestants,
                                               *metrics, folder_ / "eval", progress_);
      result.golden = judge_golden(session, adapter, *metrics);
    }
    write_file_atomic(folder_ / "finished.json", finished_json(result).dump(2) + "\n", IfExists::kReplace);
    return result;
  }

 private:
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

  // What the run will take; under memory_limit, the passes that it makes. A run that goes on keeps those of its beginning:
  // they decide how its sums are rounded.
  void plan(const TextSession& text, const ModelConfig& model, const PlannedRows& rows) {
    const fs::path record = folder_ / "plan.json";
    const Json old = fs::exists(record) ? Json::parse(read_file(record), nullptr, false) : Json();
    const bool goes_on = old.is_object();
    RunConfig planned = config_;
    if (goes_on && planned.memory_limit_bytes > 0 &&
        old.value("memory_limit", int64_t{0}) == planned.memory_limit_bytes) {
      planned.train.micro_batch_tokens = old.value("micro_batch_tokens", planned.train.micro_batch_tokens);
      planned.train.recompute = recompute_named(old.value("recompute", "")).value_or(planned.train.recompute);
      planned.memory_limit_bytes = 0;
    }
    plan_ = plan_run(planned, text, model, split_, rows,
                     {.whole_run = scope_ == Scope::kWholeRun,
                      // Training alone begins at once; `lora plan` says how long it takes.
                      .measure_time = scope_ == Scope::kWholeRun && !goes_on,
                      .repeats = 1});
    config_.train.micro_batch_tokens = plan_.micro_batch_tokens;
    config_.train.recompute = plan_.recompute;
    if (!plan_.why.empty()) progress_.print("memory_limit: " + plan_.why);
    progress_.print(fmt::format("plan: {} at the peak{}",
                                bytes_text(static_cast<double>(plan_.memory.total())),
                                plan_.time ? ", training in " + duration_text(plan_.time->training) : ""));
    for (const std::string& note : plan_.notes) progress_.print("note: " + note);
  }

  void read_data() {
    RunData data = read_run_data(config_, scope_ == Scope::kWholeRun);
    for (std::string& note : data.notes) {
      progress_.print("note: " + note);
      config_.notes.push_back(std::move(note));
    }
    split_ = std::move(data.split);
  }

  // Those of the configuration and of the rows, training rows too: what is wrong with one is told before the training.
  DeclaredChecks all_checks() const {
    DeclaredChecks checks = with_row_checks(config_.checks, split_.test, test_source());
    for (const auto* rows : {&split_.valid, &split_.golden, &split_.train})
      checks = with_row_checks(std::move(checks), *rows, config_.train_data);
    return checks;
  }

  // Names everything that the result depends on.
  std::string make_run_hash(const Session& session) const {
    Json identity;
    identity["version"] = kVersion;
    const Json all = config_json(config_);
    for (const auto& [key, value] : all.items())
      if (changes_result(key)) identity["config"][key] = value;
    identity["threads"] = at::get_num_threads();
    identity["base"] = session.text().checkpoint().fingerprint();
    identity["text"] = session.renderer().fingerprint();
    identity["train_data"] = sha256_file(config_.train_data);
    if (!config_.eval_data.empty()) identity["eval_data"] = sha256_file(config_.eval_data);
    identity["scope"] = scope_ == Scope::kWholeRun ? "run" : "train";
    return sha256_hex(identity.dump());
  }

  // Takes the run directory: a new one, or one with an unfinished run of the same identity.
  void open_directory(const Session& session) {
    run_hash_ = make_run_hash(session);
    const fs::path record = folder_ / "run.json";
    if (fs::exists(record)) {
      const Json old = Json::parse(read_file(record), nullptr, false);
      if (!old.is_object() || old.value("run_hash", "") != run_hash_)
        throw Error::input(
            {.where = folder_.string(),
             .found = "the folder holds a run with other options, data, model or thread count",
             .fix = "Choose another output_dir, or remove the folder; nothing is overwritten."});
      if (fs::exists(folder_ / "finished.json"))
        throw Error::input({.where = folder_.string(),
                            .found = "the run in this folder is finished",
                            .fix = "Choose another output_dir, or remove the folder to run it again."});
      return write_rows(session);  // a kill may have come before they were whole
    }
    if (!is_free(folder_))
      throw Error::input({.where = folder_.string(),
                          .found = "the folder is not empty, and does not hold a run",
                          .fix = "Choose another output_dir; nothing is overwritten."});
    make_folder(folder_);
    Json json;
    json["format"] = 1;
    json["lora.cpp"] = kVersion;
    json["run_hash"] = run_hash_;
    json["config"] = config_json(config_);
    json["threads"] = at::get_num_threads();
    json["base_fingerprint"] = session.text().checkpoint().fingerprint();
    json["text_fingerprint"] = session.renderer().fingerprint();
    if (session.text().chat_template().uses_date()) json["template_date"] = session.renderer().options().date;
    json["train_data_sha256"] = sha256_file(config_.train_data);
    if (!config_.eval_data.empty()) json["eval_data_sha256"] = sha256_file(config_.eval_data);
    json["split"] = {{"train", split_.train.size()},   {"valid", split_.valid.size()},
                     {"test", split_.test.size()},     {"set_aside", split_.set_aside.size()},
                     {"golden", split_.golden.size()}, {"why", split_.why}};
    json["notes"] = config_.notes;
    write_file_atomic(record, json.dump(2) + "\n", IfExists::kRefuse);
    write_rows(session);
  }

  void write_rows(const Session& session) const {
    write_split();
    write_token_view(session);
  }

  // A few rows as the training sees them, for the report.
  void write_token_view(const Session& session) const {
    constexpr size_t kRowsShown = 3;
    std::vector<TokenView> views;
    for (size_t i = 0; i < std::min(kRowsShown, split_.train.size()); ++i) {
      const Rendered row = session.renderer().render(split_.train[i], config_.train_data);
      TokenView& view = views.emplace_back(TokenView{.line = split_.train[i].line, .tokens = {}});
      for (size_t t = 0; t < row.ids.size(); ++t)
        view.tokens.push_back(
            {std::string(session.tokenizer().token_bytes(row.ids[t])), row.supervised[t] != 0});
    }
    write_file_atomic(folder_ / "token_view.json", token_views_json(views), IfExists::kReplace);
  }

  void write_split() const {
    make_folder(folder_ / "split");
    if (scope_ == Scope::kWholeRun) make_folder(folder_ / "eval");
    write_chat_jsonl(folder_ / "split" / "train.jsonl", split_.train, IfExists::kReplace);
    write_chat_jsonl(folder_ / "split" / "valid.jsonl", split_.valid, IfExists::kReplace);
    if (!split_.test.empty())
      write_chat_jsonl(folder_ / "split" / "test.jsonl", split_.test, IfExists::kReplace);
    if (!split_.set_aside.empty())
      write_chat_jsonl(folder_ / "split" / "set_aside.jsonl", split_.set_aside, IfExists::kReplace);
    if (!split_.golden.empty())
      write_chat_jsonl(folder_ / "split" / "golden.jsonl", split_.golden, IfExists::kReplace);
  }

  ContestantAnswers ask_base(const Session& session, const Questions& questions) {
    const fs::path file = folder_ / "eval" / "base.json";
    if (auto saved = load_answers(file, run_hash_, questions.references.size())) return *saved;
    ContestantAnswers base = ask(session, nullptr, "base", questions, config_.eval_batch_size, progress_);
    save_answers(file, base, run_hash_);
    return base;
  }

  // The base with examples in its prompt, unless the user wants none: would prompting have done?
  std::optional<ContestantAnswers> ask_with_examples(const Session& session, const Questions& questions,
                                                     const Metrics& metrics) {
    if (!config_.few_shot) return std::nullopt;
    const fs::path file = folder_ / "eval" / "few_shot.json";
    if (auto saved = load_answers(file, run_hash_, questions.references.size())) return saved;
    const FewShotExamples examples(split_.train, config_.train.seed);
    auto few_shot = ask_few_shot(session, examples, questions, split_.test, split_.valid, metrics,
                                 config_.eval_batch_size, progress_);
    if (!few_shot) {
      progress_.print(
          "note: the base is not asked with examples in its prompt, since no training row can serve, or none "
          "fits the context");
      return std::nullopt;
    }
    save_answers(file, *few_shot, run_hash_);
    const PrimaryTally reached = tally_primary(metrics, questions.rows, few_shot->answers);
    progress_.print(fmt::format(
        "the base, shown {} examples: {}{}", few_shot->num_fewshot, reached.in_words(metrics.primary.name),
        reached.mean() >= 0.9 ? ". Prompting already does this well; Ctrl-C saves the training" : ""));
    return few_shot;
  }

  // The latency of what runs on this machine. Checkpoints take what tuned takes, and are not measured.
  void measure(const Session& session, const Adapter& tuned, const std::vector<OtherAdapter>& others,
               const Questions& questions, std::vector<ContestantAnswers>& contestants) {
    std::vector<LocalContestant> local;
    for (ContestantAnswers& answers : contestants) {
      const auto other = std::ranges::find(others, answers.name, &OtherAdapter::name);
      if (other != others.end() && other->is_checkpoint) continue;
      local.push_back({&answers, answers.name == "tuned" ? &tuned
                                 : other != others.end() ? &other->adapter
                                                         : nullptr});
    }
    measure_latency(session, local, questions, latency_options(config_), folder_ / "eval", progress_);
  }

  // Golden rows are the user's own touchstones, chosen and not drawn: they are asked apart, and decide nothing.
  std::optional<Evaluation> judge_golden(const Session& session, const Adapter& adapter,
                                         const Metrics& metrics) {
    if (std::none_of(split_.golden.begin(), split_.golden.end(),
                     [&](const Conversation& row) { return metrics.decides(row); }))
      return std::nullopt;
    const Questions questions =
        make_questions(session, split_.golden, config_.max_new_tokens, config_.train_data);
    const int64_t batch = config_.eval_batch_size;
    const fs::path folder = folder_ / "eval" / "golden";
    make_folder(folder);
    return judge(questions,
                 ask_together(session, {{"base", nullptr}, {"tuned", &adapter}}, questions, batch, progress_),
                 metrics, folder);
  }

  void describe(const Session& session, const std::vector<Example>& train_rows,
                const std::vector<Example>& valid_rows) {
    int64_t supervised = 0, tokens = 0;
    for (const Example& e : train_rows) {
      supervised += e.num_supervised();
      tokens += static_cast<int64_t>(e.ids.size());
    }
    const RunLength length = run_length(config_.train, static_cast<int64_t>(train_rows.size()));
    progress_.print(fmt::format("{}: {:.1f}M parameters; {}", config_.model,
                                static_cast<double>(session.decoder().config().num_parameters()) / 1e6,
                                split_.why));
    progress_.print(fmt::format(
        "training on {} rows, {} tokens ({} supervised); {}; {} steps of {} examples", train_rows.size(),
        tokens, supervised,
        valid_rows.empty() ? "the last checkpoint is kept"
                           : fmt::format("{} held-out rows choose the checkpoint", valid_rows.size()),
        length.total_steps, config_.train.batch_size()));
  }

  Json finished_json(const PipelineResult& result) const {
    Json json{{"format", 1}, {"steps", result.training.steps}, {"best_step", result.training.best_step}};
    json["eval_loss_first"] =
        result.training.first_eval_loss ? Json(*result.training.first_eval_loss) : Json(nullptr);
    json["eval_loss_best"] =
        result.training.best_eval_loss ? Json(*result.training.best_eval_loss) : Json(nullptr);
    json["training_seconds"] = result.training.seconds;
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
  PlannedRun plan_;
  std::string run_hash_;
  std::optional<QuantizationLoss> quantization_;
};

}  // namespace

PipelineResult run_pipeline(RunConfig config, Scope scope, Progress& progress) {
  return Pipeline(std::move(config), scope, progress).run();
}

}  // namespace lora
