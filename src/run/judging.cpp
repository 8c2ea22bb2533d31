#include "run/judging.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/interrupt.h"
#include "eval/record_file.h"
#include "judging/contestant.h"
#include "judging/endpoint_judge.h"
#include "judging/judge_recorded.h"
#include "run/local_judge.h"

namespace lora {
namespace {

using Json = nlohmann::ordered_json;

// What asking an endpoint threw, as a note; Ctrl-C stays what it is. Which command asks again, where a machine failed, is
// not the endpoint's to say: `lora run` is finished with it.
std::string excused(const Error& error) {
  if (error.kind() == ErrorKind::kInterrupted) throw error;
  if (error.kind() != ErrorKind::kMachine) return error.what();
  const ErrorParts& parts = error.parts();
  return Error::machine({.where = parts.where, .found = parts.found, .expected = parts.expected}).what();
}

// Whether every one of them answered.
bool ask_endpoints(const JudgingConfig& config, const Questions& questions,
                   const std::filesystem::path& cache, std::vector<ContestantAnswers>& contestants,
                   const std::filesystem::path& folder, Progress& progress) {
  bool all_heard = true;
  Json records = Json::array();
  for (const ContestantSettings& settings : config.contestants) {
    if (!settings.is_endpoint()) continue;
    try {
      EndpointContestant asked = ask_contestant(settings, questions.rows, questions.max_new_tokens, cache,
                                                interrupt_requested, progress);
      ContestantAnswers& added = contestants.emplace_back();
      added.name = asked.name;
      added.answers = std::move(asked.answers);
      added.stopped = std::move(asked.stopped);
      added.prompt_ids.resize(questions.rows.size());  // it was given messages, no ids
      added.prompt_tokens = std::move(asked.prompt_tokens);
      added.answer_tokens = std::move(asked.answer_tokens);
      added.kind = "endpoint";
      added.source = settings.endpoint.model;
      added.latency = {asked.record["latency_median_s"], asked.record["latency_p95_s"], {}};
      if (const Json& cost = asked.record["cost_per_1000_answers"]; !cost.is_null())
        added.latency->cost_per_1000_answers = cost.get<double>();
      records.push_back(std::move(asked.record));
    } catch (const Error& error) {
      const std::string why = excused(error);
      all_heard = false;
      progress.print(fmt::format("note: {} is left out of the comparison: {}", settings.name, why));
      records.push_back({{"name", settings.name}, {"left_out", why}});
    }
  }
  if (!records.empty())
    write_record(folder / "endpoints.json", Json{{"format", 1}, {"contestants", records}});
  return all_heard;
}

// Whether the judge was heard on all that it was asked, believed or not, or none is wanted.
bool put_before_judge(const JudgingConfig& config, const std::string& base_model, const Questions& questions,
                      const std::filesystem::path& cache, const std::filesystem::path& folder,
                      Evaluation& evaluation, Progress& progress) {
  if (!config.judge) return true;
  const JudgeSettings& settings = *config.judge;
  try {
    const std::unique_ptr<JudgeModel> judge =
        settings.is_local()
            ? open_local_judge(settings, cache, interrupt_requested, progress)
            : std::make_unique<EndpointJudge>(settings.endpoint, cache, interrupt_requested, progress);
    const RecordedAnswers recorded =
        read_recorded(folder / "answers.jsonl", questions.rows, "the held-out rows");
    const JudgedRun run =
        judge_recorded(*judge, settings, recorded, judged_models(base_model, config), folder);
    for (const std::string& note : run.notes) progress.print("note: " + note);
    progress.print(judgement_text(run.judgement));
    if (run.verdict) progress.print(run.verdict->sentence);
    progress.print(judge->use_in_words());
    const bool all_heard = run.judgement.failed == 0;
    if (!settings.decides) return all_heard;
    if (!run.verdict) {
      progress.print("note: the judge was to decide and is not used, so the checks alone decide");
      return all_heard;
    }
    evaluation.verdict = run.verdict->verdict;
    evaluation.enough_examples = run.verdict->enough_examples;
    evaluation.decided_by = "judge";
    evaluation.sentence =
        fmt::format("{} By the checks alone: {}", run.verdict->sentence, evaluation.sentence);
    write_record(folder / "summary.json", summary_json(evaluation));
    return all_heard;
  } catch (const Error& error) {
    const std::string why = excused(error);
    progress.print(fmt::format(
        "note: no judge was heard (of a finished run, lora judge asks what is missing): {}", why));
    write_unjudged(folder, settings.endpoint.model, why);
    return false;
  }
}

}  // namespace

JudgedEvaluation judge_with_endpoints(const JudgingConfig& config, const std::string& base_model,
                                      const Questions& questions, std::vector<ContestantAnswers> contestants,
                                      const Metrics& metrics, const std::filesystem::path& folder,
                                      Progress& progress) {
  const std::filesystem::path cache =
      config.cache_dir.empty() ? folder / "endpoint_cache" : std::filesystem::path(config.cache_dir);
  const bool answered = ask_endpoints(config, questions, cache, contestants, folder, progress);
  JudgedEvaluation result{.evaluation = judge(questions, contestants, metrics, folder)};
  const bool judged =
      put_before_judge(config, base_model, questions, cache, folder, result.evaluation, progress);
  result.all_heard = answered && judged;
  return result;
}

}  // namespace lora
