#include "run/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "eval/learned_format.h"
#include "generate/generator.h"

namespace lora {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> last_answers(const std::vector<Conversation>& rows) {
  std::vector<std::string> answers;
  for (const Conversation& row : rows) answers.push_back(row.messages.back().content);
  return answers;
}

// Model output may end inside a character; JSON must stay valid, so such bytes are shown as U+FFFD.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json result_json(const CheckResult& result) {
  Json json{{"passed", result.passed}, {"score", result.score}};
  if (!result.why.empty()) json["why"] = result.why;
  if (!result.fields.empty()) {
    Json fields = Json::array();
    for (const FieldResult& field : result.fields)
      fields.push_back(
          {{"name", field.name}, {"passed", field.passed}, {"expected", field.expected}, {"got", field.got}});
    json["fields"] = std::move(fields);
  }
  return json;
}

}  // namespace

Questions make_questions(const Session& session, const std::vector<Conversation>& rows,
                         int64_t max_new_tokens, const std::string& source) {
  Questions questions;
  size_t longest = 0;
  for (const Conversation& row : rows) {
    if (row.messages.empty() || row.messages.back().role != "assistant")
      throw Error::input({.where = fmt::format("{}:{}", source, row.line),
                          .found = "the last message is not an answer",
                          .fix = "Evaluation compares with a reference: end the row with the right answer."});
    const std::span<const Message> before(row.messages.data(), row.messages.size() - 1);
    questions.prompt_ids.push_back(session.renderer().render_prompt(before, row.tools));
    questions.references.push_back(row.messages.back().content);
    questions.lines.push_back(row.line);
    longest =
        std::max(longest, session.tokenizer().encode(row.messages.back().content, Special::kText).size());
  }
  questions.max_new_tokens =
      max_new_tokens > 0 ? max_new_tokens : static_cast<int64_t>(longest + longest / 2 + 32);
  return questions;
}

std::optional<Questions> with_examples(const Session& session, const Questions& questions,
                                       const std::vector<Conversation>& rows, const FewShotExamples& examples,
                                       size_t k) {
  Questions with = questions;
  const int64_t room = session.decoder().config().max_position_embeddings - questions.max_new_tokens;
  for (size_t i = 0; i < rows.size(); ++i) {
    with.prompt_ids[i] = session.renderer().render_prompt(examples.prompt(rows[i], k), rows[i].tools);
    if (static_cast<int64_t>(with.prompt_ids[i].size()) > room) return std::nullopt;
  }
  return with;
}

ContestantAnswers ask(const Session& session, const Adapter* adapter, const std::string& name,
                      const Questions& questions, int64_t batch_size, Progress& progress) {
  GenerateOptions options;
  options.max_new_tokens = questions.max_new_tokens;
  options.batch_size = batch_size;
  options.stop_ids = session.renderer().stop_ids();
  const auto began = std::chrono::steady_clock::now();
  int64_t tokens = 0;
  const std::vector<Answer> answers =
      generate(session.decoder(), adapter, questions.prompt_ids, options, [&](size_t, int32_t) {
        if (interrupt_requested())
          throw Error(ErrorKind::kInterrupted, {.where = name,
                                                .found = "stopped while it answered",
                                                .fix = "Give the same command again to go on."});
        const double seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        if (++tokens % 64 == 0)
          progress.update(fmt::format("asking {}: {} tokens, {:.0f} tokens/s", name, tokens,
                                      static_cast<double>(tokens) / seconds));
      });
  progress.clear();
  ContestantAnswers result{.name = name, .answers = {}, .stopped = {}};
  for (const Answer& answer : answers) {
    result.answers.push_back(session.tokenizer().decode(answer.ids));
    result.stopped.push_back(answer.stopped);
  }
  return result;
}

size_t count_passed(const Metrics& metrics, const ContestantAnswers& answers,
                    const std::vector<std::string>& references) {
  size_t passed = 0;
  for (size_t i = 0; i < references.size(); ++i)
    passed += metrics.checks[0].check->run(answers.answers[i], references[i]).passed;
  return passed;
}

std::optional<ContestantAnswers> ask_few_shot(const Session& session, const FewShotExamples& examples,
                                              const Questions& questions,
                                              const std::vector<Conversation>& test,
                                              const std::vector<Conversation>& valid, const Metrics& metrics,
                                              int64_t batch_size, Progress& progress) {
  if (!examples.any_for(test)) return std::nullopt;
  const Questions held_out = make_questions(session, valid, questions.max_new_tokens, "held-out rows");
  std::optional<Questions> chosen;
  size_t chosen_k = 0, most_passed = 0;
  for (const size_t k : kFewShotTried) {
    std::optional<Questions> asked = with_examples(session, questions, test, examples, k);
    const auto tried = with_examples(session, held_out, valid, examples, k);
    if (!asked || !tried) break;  // more will not fit either
    size_t passed = 0;
    if (!valid.empty())
      passed = count_passed(metrics,
                            ask(session, nullptr, fmt::format("base with {} examples (a trial)", k), *tried,
                                batch_size, progress),
                            tried->references);
    if (chosen && passed <= most_passed) continue;
    chosen = std::move(asked);
    chosen_k = k;
    most_passed = passed;
  }
  if (!chosen) return std::nullopt;
  ContestantAnswers result =
      ask(session, nullptr, fmt::format("base with {} examples", chosen_k), *chosen, batch_size, progress);
  result.name = "few_shot";
  result.num_fewshot = chosen_k;
  result.prompt_ids = std::move(chosen->prompt_ids);
  return result;
}

Metrics choose_metrics(const std::vector<std::string>& references,
                       const std::vector<Conversation>& training_rows) {
  Metrics metrics;
  metrics.primary = choose_primary_metric(references);
  if (metrics.primary.check == "format") {
    const std::vector<std::string> answers = training_rows.empty() ? references : last_answers(training_rows);
    metrics.checks.push_back({metrics.primary.name, make_format_check(learn_format(answers))});
  } else {
    metrics.checks.push_back({metrics.primary.name, make_check(metrics.primary.check)});
  }
  if (metrics.primary.check == "json_fields")
    metrics.checks.push_back({"json_valid", make_check("json_valid")});
  metrics.checks.push_back({"exact", make_check("exact")});
  return metrics;
}

Evaluation judge(const Questions& questions, const std::vector<ContestantAnswers>& contestants,
                 const Metrics& metrics, const std::filesystem::path& folder) {
  std::vector<Contestant> outcomes;
  std::string lines;
  for (const ContestantAnswers& answers : contestants) {
    Contestant& outcome = outcomes.emplace_back(Contestant{answers.name, {}});
    for (size_t i = 0; i < questions.references.size(); ++i) {
      Json checks;
      for (const Metrics::Named& metric : metrics.checks) {
        const CheckResult result = metric.check->run(answers.answers[i], questions.references[i]);
        outcome.passed[metric.name].push_back(result.passed);
        checks[metric.name] = result_json(result);
      }
      outcome.passed["stopped"].push_back(answers.stopped[i]);
      lines += dump(Json{{"id", i},
                         {"line", questions.lines[i]},
                         {"contestant", answers.name},
                         {"prompt_ids",
                          answers.prompt_ids.empty() ? questions.prompt_ids[i] : answers.prompt_ids[i]},
                         {"answer", answers.answers[i]},
                         {"reference", questions.references[i]},
                         {"stopped", static_cast<bool>(answers.stopped[i])},
                         {"checks", checks}}) +
               "\n";
    }
  }
  const Evaluation evaluation = compare(outcomes, {.primary = metrics.primary.name});
  write_file_atomic(folder / "answers.jsonl", lines, IfExists::kReplace);
  write_file_atomic(folder / "summary.json", summary_json(evaluation).dump(2) + "\n", IfExists::kReplace);
  return evaluation;
}

void save_answers(const std::filesystem::path& file, const ContestantAnswers& answers,
                  const std::string& run_hash) {
  Json json{{"format", 1},
            {"run", run_hash},
            {"contestant", answers.name},
            {"answers", answers.answers},
            {"stopped", answers.stopped},
            {"num_fewshot", answers.num_fewshot},
            {"prompt_ids", answers.prompt_ids}};
  write_file_atomic(file, dump(json) + "\n", IfExists::kReplace);
}

std::optional<ContestantAnswers> load_answers(const std::filesystem::path& file, const std::string& run_hash,
                                              size_t count) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  try {
    const Json json = Json::parse(read_file(file));
    if (json.at("run") != run_hash) return std::nullopt;
    ContestantAnswers answers{json.at("contestant"), json.at("answers"), json.at("stopped"),
                              json.at("num_fewshot"), json.at("prompt_ids")};
    if (answers.answers.size() != count || answers.stopped.size() != count) return std::nullopt;
    return answers;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace lora
