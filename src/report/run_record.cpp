#include "report/run_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/atomic_file.h"
#include "base/error.h"
#include "report/record_json.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> texts(const JsonView& list) {
  std::vector<std::string> out;
  for (const JsonView& item : list.items()) out.push_back(item.text());
  return out;
}

void read_run_json(const fs::path& path, RunRecord& run) {
  const std::string name = path.string();
  read_json_record(path, name, [&](const JsonView& json) {
    run.version = json.text_or("lora.cpp", "");
    run.run_hash = json.text_or("run_hash", "");
    run.threads = json.count_or("threads", 0);
    if (const auto split = json.find("split"))
      run.split = {split->count_or("train", 0),     split->count_or("valid", 0),  split->count_or("test", 0),
                   split->count_or("set_aside", 0), split->count_or("golden", 0), split->text_or("why", "")};
    if (const auto notes = json.find("notes")) run.notes = texts(*notes);
    if (const auto config = json.find("config"); config && !config->json().is_object())
      config->refuse("an object");
  });
  // Once more, for the order of the keys.
  const auto ordered = nlohmann::ordered_json::parse(read_file(path), nullptr, false);
  if (ordered.is_object() && ordered.contains("config"))
    for (const auto& [key, value] : ordered["config"].items())
      run.config.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
}

TrainingStep read_step(const JsonView& json) {
  return {.step = json.at("step").number(),
          .epoch = json.number_or("epoch", 0),
          .loss = json.number_or_nan("loss"),
          .eval_loss = json.optional_number("eval_loss"),
          .learning_rate = json.number_or("learning_rate", 0),
          .grad_norm = json.number_or_nan("grad_norm"),
          .examples = json.count_or("examples", 0),
          .tokens = json.count_or("tokens", 0),
          .unique_tokens = json.count_or("unique_tokens", 0),
          .supervised_tokens = json.count_or("supervised_tokens", 0),
          .seconds = json.number_or("seconds", 0),
          .peak_memory_bytes = json.count_or("peak_memory_bytes", 0)};
}

TrainingEnd read_end(const JsonView& json) {
  TrainingEnd end{.steps = json.at("steps").count(),
                  .best_step = json.count_or("best_step", 0),
                  .eval_loss_first = json.optional_number("eval_loss_first"),
                  .eval_loss_best = json.optional_number("eval_loss_best"),
                  .seconds = json.number_or("training_seconds", 0),
                  .peak_memory_bytes = json.count_or("peak_memory_bytes", 0)};
  if (const auto loss = json.find("load_in_4bit")) {
    end.loss_full_precision = loss->optional_number("loss_full_precision");
    end.loss_4bit = loss->optional_number("loss_4bit");
  }
  if (const auto warnings = json.find("warnings")) end.warnings = texts(*warnings);
  return end;
}

RunPlan read_plan(const JsonView& json) {
  RunPlan plan;
  if (const auto seconds = json.find("seconds")) plan.seconds = seconds->optional_number("training");
  plan.tokens_per_second = json.optional_number("tokens_per_second");
  for (const auto& [name, bytes] : json.at("memory").members()) {
    if (name == "total")
      plan.peak_memory_bytes = bytes.number();
    else if (bytes.number() > 0)
      plan.memory.emplace_back(name, bytes.number());
  }
  std::ranges::sort(plan.memory, std::greater(), &std::pair<std::string, double>::second);
  plan.why = json.text_or("why", "");
  if (const auto notes = json.find("notes")) plan.notes = texts(*notes);
  return plan;
}

}  // namespace

RunRecord read_run(const fs::path& folder) {
  RunRecord run;
  std::error_code code;
  const fs::path whole = fs::weakly_canonical(folder, code);
  run.name = (code ? folder : whole).filename().string();
  const bool is_run = fs::exists(folder / "run.json");
  if (!is_run && !fs::exists(folder / "summary.json"))
    throw Error::input({.where = folder.string(),
                        .found = fs::is_directory(folder) ? "the folder holds no run.json and no summary.json"
                                                          : "there is no such folder",
                        .expected = "the output_dir of lora run, lora train or lora eval"});
  if (is_run) read_run_json(folder / "run.json", run);
  if (const fs::path metrics = folder / "metrics.jsonl"; fs::exists(metrics)) {
    std::string lines = read_file(metrics);
    lines.resize(lines.rfind('\n') + 1);  // a kill cut what stands behind; the run writes it again
    parse_json_lines(lines, metrics.string(),
                     [&](const JsonView& json) { run.steps.push_back(read_step(json)); });
  }
  if (const fs::path finished = folder / "finished.json"; fs::exists(finished))
    read_json_record(finished, finished.string(), [&](const JsonView& json) { run.end = read_end(json); });
  if (const fs::path plan = folder / "plan.json"; fs::exists(plan))
    read_json_record(plan, plan.string(), [&](const JsonView& json) { run.plan = read_plan(json); });
  run.results = is_run ? folder / "eval" : folder;
  const fs::path& eval = run.results;
  if (fs::exists(eval / "summary.json"))
    run.evaluation =
        read_evaluation(eval, is_run ? folder / "split" / "test.jsonl" : folder / "questions.jsonl");
  if (fs::exists(eval / "golden" / "summary.json"))
    run.golden = read_evaluation(eval / "golden", folder / "split" / "golden.jsonl");
  run.judge = read_judge(eval / "judge.json");
  run.token_views = read_token_views(folder / "token_view.json");
  return run;
}

}  // namespace lora
