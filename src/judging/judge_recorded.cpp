#include "judging/judge_recorded.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/atomic_file.h"
#include "base/error.h"
#include "eval/record_file.h"

namespace lora {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kSeed = 0;  // which rows serve as controls

Json count_json(const std::optional<int64_t>& count) {
  return count ? Json(*count) : Json(nullptr);
}

// The contestants that tuned is compared with.
std::vector<std::string> opponents(const JudgeSettings& settings, const RecordedAnswers& recorded,
                                   std::vector<std::string>& notes) {
  std::vector<std::string> all, chosen;
  for (const auto& [name, answers] : recorded.answers)
    if (name != "tuned") all.push_back(name);
  if (!recorded.of("tuned") || all.empty())
    throw Error::input({.where = "judge",
                        .found = recorded.of("tuned") ? "there is nobody to compare tuned with"
                                                      : "there are no answers of \"tuned\"",
                        .expected = "answers of tuned, and of base or another contestant"});
  if (settings.against.empty()) return all;
  for (const std::string& name : settings.against) {
    if (std::find(all.begin(), all.end(), name) != all.end())
      chosen.push_back(name);
    else
      notes.push_back(fmt::format("against: there are no answers of \"{}\"; there are those of {}", name,
                                  fmt::join(all, ", ")));
  }
  if (chosen.empty())
    throw Error::input({.where = "[judge] against",
                        .found = "none of these contestants has answers",
                        .expected = fmt::format("of {}", fmt::join(all, ", "))});
  return chosen;
}

void add_pairs(std::vector<JudgePair>& pairs, const RecordedAnswers& recorded, const std::string& a,
               const std::string& b) {
  const auto &of_a = *recorded.of(a), &of_b = *recorded.of(b);
  for (size_t id = 0; id < recorded.questions.size(); ++id)
    pairs.push_back({JudgePair::Purpose::kAnswers, id, a, b, of_a[id], of_b[id]});
}

Json pair_json(const JudgePair& pair, const JudgedPair& judged) {
  Json json{{"id", pair.id}, {"a", pair.a}, {"b", pair.b}, {"winner", winner_name(judged.winner)}};
  json["orders"] = Json::array();
  if (!judged.equal_answers)
    for (const JudgeRound& round : judged.rounds)
      json["orders"].push_back(round.winner ? Json(winner_name(*round.winner)) : Json(nullptr));
  if (!judged.rounds[0].a_scores.empty() || !judged.rounds[0].b_scores.empty()) {
    json["scores"] = Json::array();
    for (const JudgeRound& round : judged.rounds)
      json["scores"].push_back({{"a", round.a_scores}, {"b", round.b_scores}});
  }
  json["why"] = judged.why;
  return json;
}

Json exchange_json(const JudgePair& pair, const JudgeExchange& exchange) {
  Json json{{"purpose", purpose_name(pair.purpose)},
            {"id", pair.id},
            {"a", pair.a},
            {"b", pair.b},
            {"round", exchange.round + 1}};
  if (!exchange.side.empty()) json["side"] = exchange.side;
  json["again"] = exchange.again;
  json["messages"] = Json::array();
  for (const Message& message : exchange.prompt->messages)
    json["messages"].push_back({{"role", message.role}, {"content", message.content}});
  const JudgeAnswer& answer = *exchange.answer;
  if (!answer.failure.empty()) {
    json["failure"] = answer.failure;
    return json;
  }
  json["text"] = answer.text;
  json["whole"] = answer.whole;
  json["prompt_tokens"] = count_json(answer.prompt_tokens);
  json["completion_tokens"] = count_json(answer.completion_tokens);
  return json;
}

}  // namespace

JudgedRun judge_recorded(JudgeModel& model, const JudgeSettings& settings, const RecordedAnswers& recorded,
                         const std::vector<JudgedModel>& models, const std::filesystem::path& folder) {
  JudgedRun run;
  const std::vector<std::string> others = opponents(settings, recorded, run.notes);
  std::vector<JudgePair> pairs = control_pairs(recorded.questions, settings.controls, kSeed);
  for (const std::string& other : others) add_pairs(pairs, recorded, "tuned", other);
  const auto chosen = [&](const char* name) {
    return std::find(others.begin(), others.end(), name) != others.end();
  };
  // Whether prompting would have done is asked only where the judge decides.
  if (settings.decides && chosen("few_shot") && chosen("base"))
    add_pairs(pairs, recorded, "few_shot", "base");

  std::string transcripts, lines;
  const std::vector<JudgedPair> judged =
      judge_pairs(model, settings.rubric, recorded.questions, pairs, [&](const JudgeExchange& exchange) {
        transcripts += record_line(exchange_json(pairs[exchange.pair], exchange)) + "\n";
      });
  run.judgement = judgement_of(model.id(), settings.rubric, pairs, judged, models);
  run.verdict = judge_verdict(run.judgement);
  for (size_t i = 0; i < pairs.size(); ++i)
    if (pairs[i].purpose == JudgePair::Purpose::kAnswers)
      lines += record_line(pair_json(pairs[i], judged[i])) + "\n";

  Json summary = judgement_json(run.judgement);
  summary["decides"] = settings.decides;
  summary["verdict"] = run.verdict ? Json(verdict_name(run.verdict->verdict)) : Json(nullptr);
  summary["sentence"] = run.verdict ? run.verdict->sentence : "";
  summary[settings.is_local() ? "local" : "endpoint"] = model.record();
  write_file_atomic(folder / "judge_transcripts.jsonl", transcripts, IfExists::kReplace);
  write_file_atomic(folder / "judge.jsonl", lines, IfExists::kReplace);
  write_record(folder / "judge.json", summary);
  return run;
}

std::vector<JudgedModel> judged_models(const std::string& base_model, const JudgingConfig& config) {
  std::vector<JudgedModel> models;
  if (!base_model.empty()) models.push_back({"the tuned model", base_model});
  for (const ContestantSettings& contestant : config.contestants)
    if (contestant.is_endpoint())
      models.push_back({fmt::format("contestant {}", contestant.name), contestant.endpoint.model});
  return models;
}

void write_unjudged(const std::filesystem::path& folder, const std::string& judge, const std::string& why) {
  std::error_code code;
  std::filesystem::remove(folder / "judge.jsonl", code);
  std::filesystem::remove(folder / "judge_transcripts.jsonl", code);
  const Json json{{"format", 1}, {"judge", judge}, {"usable", false}, {"reasons", {why}}};
  write_record(folder / "judge.json", json);
}

}  // namespace lora
