#include "run/evaluate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <span>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/profile.h"
#include "eval/record_file.h"
#include "generate/generator.h"

namespace lora {
namespace {

using Json = nlohmann::ordered_json;

// Nothing where one of the counts is missing.
std::optional<double> mean_of_counts(const std::vector<std::optional<int64_t>>& counts) {
  double sum = 0;
  for (const auto& count : counts) {
    if (!count) return std::nullopt;
    sum += static_cast<double>(*count);
  }
  return counts.empty() ? std::nullopt : std::optional(sum / static_cast<double>(counts.size()));
}

ContestantInfo info_of(const ContestantAnswers& answers, const Questions& questions) {
  ContestantInfo info{.name = answers.name,
                      .kind = answers.kind.empty() ? answers.name : answers.kind,
                      .source = answers.source,
                      .examples = answers.num_fewshot,
                      .answers = answers.answers.size()};
  info.cut_off = static_cast<size_t>(std::ranges::count(answers.stopped, false));
  std::vector<std::optional<int64_t>> prompt_tokens = answers.prompt_tokens;
  if (prompt_tokens.empty())
    for (const auto& ids : answers.prompt_ids.empty() ? questions.prompt_ids : answers.prompt_ids)
      prompt_tokens.emplace_back(static_cast<int64_t>(ids.size()));
  info.prompt_tokens = mean_of_counts(prompt_tokens);
  info.answer_tokens = mean_of_counts(answers.answer_tokens);
  if (answers.latency) {
    info.latency_median_s = answers.latency->median_s;
    info.latency_p95_s = answers.latency->p95_s;
    info.cost_per_1000_answers = answers.latency->cost_per_1000_answers;
  }
  return info;
}

}  // namespace

int64_t most_new_tokens(int64_t max_new_tokens, int64_t longest_reference) {
  return max_new_tokens > 0 ? max_new_tokens : longest_reference + longest_reference / 2 + 32;
}

void require_room(int64_t prompt_tokens, int64_t max_new_tokens, int64_t context, const std::string& where) {
  const int64_t least = std::max<int64_t>(1, max_new_tokens);
  if (prompt_tokens <= context && least <= context - prompt_tokens) return;
  throw Error::input(
      {.where = where,
       .found = fmt::format(
           "the question has {} tokens, which leaves no room for {} in the "
           "model's context of {}",
           prompt_tokens,
           max_new_tokens > 0 ? fmt::format("max_new_tokens = {}", max_new_tokens) : std::string("an answer"),
           context),
       .fix = max_new_tokens > 0 ? "Lower max_new_tokens, leave it out, or shorten the row."
                                 : "Shorten the row, or leave it out."});
}

void require_room(const Session& session, const Questions& questions, int64_t max_new_tokens,
                  const std::string& source) {
  for (size_t i = 0; i < questions.prompt_ids.size(); ++i)
    require_room(static_cast<int64_t>(questions.prompt_ids[i].size()), max_new_tokens,
                 session.decoder().config().max_position_embeddings,
                 fmt::format("{}:{}", source, questions.lines[i]));
}

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
    questions.rows.push_back(row);
    longest =
        std::max(longest, session.tokenizer().encode(row.messages.back().content, Special::kText).size());
  }
  questions.max_new_tokens = most_new_tokens(max_new_tokens, static_cast<int64_t>(longest));
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

std::vector<ContestantAnswers> ask_together(const Session& session,
                                            const std::vector<ContestantAsked>& contestants,
                                            const Questions& questions, int64_t batch_size,
                                            Progress& progress) {
  const ProfileScope scope("ask");
  std::vector<std::string> names;
  std::vector<GenerationPrompt> prompts;
  for (const auto& [name, adapter] : contestants) {
    names.push_back(name);
    for (const std::vector<int32_t>& ids : questions.prompt_ids) prompts.push_back({ids, adapter});
  }
  const std::string together = fmt::format("{}", fmt::join(names, ", "));
  GenerateOptions options;
  options.max_new_tokens = questions.max_new_tokens;
  options.within_context = true;
  options.batch_size = batch_size;
  options.stop_ids = session.renderer().stop_ids();
  const auto began = std::chrono::steady_clock::now();
  int64_t tokens = 0;
  const std::vector<Answer> answers = generate(session.decoder(), prompts, options, [&](size_t, int32_t) {
    if (interrupt_requested())
      throw Error(ErrorKind::kInterrupted, {.where = together,
                                            .found = "stopped while it answered",
                                            .fix = "Give the same command again to go on."});
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    if (++tokens % 64 == 0)
      progress.update(fmt::format("asking {}: {} tokens, {:.0f} tokens/s", together, tokens,
                                  static_cast<double>(tokens) / seconds));
  });
  progress.clear();
  std::vector<ContestantAnswers> results;
  const size_t count = questions.prompt_ids.size();
  for (size_t c = 0; c < contestants.size(); ++c) {
    ContestantAnswers& result = results.emplace_back(ContestantAnswers{contestants[c].name, {}, {}});
    for (const Answer& answer : std::span(answers).subspan(c * count, count)) {
      result.answers.push_back(session.tokenizer().decode(answer.ids));
      result.stopped.push_back(answer.stopped);
      result.answer_tokens.push_back(static_cast<int64_t>(answer.ids.size()));
    }
  }
  return results;
}

ContestantAnswers ask(const Session& session, const Adapter* adapter, const std::string& name,
                      const Questions& questions, int64_t batch_size, Progress& progress) {
  return ask_together(session, {{name, adapter}}, questions, batch_size, progress).front();
}

std::optional<ContestantAnswers> ask_few_shot(const Session& session, const FewShotExamples& examples,
                                              const Questions& questions,
                                              const std::vector<Conversation>& test,
                                              const std::vector<Conversation>& valid, const Metrics& metrics,
                                              int64_t batch_size, Progress& progress) {
  if (!examples.any_for(test)) return std::nullopt;
  const Questions held_out = make_questions(session, valid, questions.max_new_tokens, "held-out rows");
  std::optional<Questions> chosen;
  size_t chosen_k = 0;
  double best = 0;
  for (const size_t k : kFewShotTried) {
    std::optional<Questions> asked = with_examples(session, questions, test, examples, k);
    const auto tried = with_examples(session, held_out, valid, examples, k);
    if (!asked || !tried) break;  // more will not fit either
    double reached = 0;
    if (!valid.empty())
      reached = tally_primary(metrics, valid,
                              ask(session, nullptr, fmt::format("base with {} examples (a trial)", k), *tried,
                                  batch_size, progress)
                                  .answers)
                    .mean();
    if (chosen && reached <= best) continue;
    chosen = std::move(asked);
    chosen_k = k;
    best = reached;
  }
  for (const size_t k : kFewShotAtLeast) {
    if (chosen) break;
    chosen = with_examples(session, questions, test, examples, k);
    chosen_k = k;
  }
  if (!chosen) return std::nullopt;
  ContestantAnswers result =
      ask(session, nullptr, fmt::format("base with {} examples", chosen_k), *chosen, batch_size, progress);
  result.name = "few_shot";
  result.num_fewshot = chosen_k;
  result.prompt_ids = std::move(chosen->prompt_ids);
  return result;
}

Evaluation judge(const Questions& questions, const std::vector<ContestantAnswers>& contestants,
                 const Metrics& metrics, const std::filesystem::path& folder) {
  std::vector<AnswersGiven> given;
  for (const ContestantAnswers& answers : contestants)
    given.push_back({answers.name, answers.answers, answers.stopped});
  Scored scored = score_answers(metrics, questions.rows, given);
  std::string lines;
  for (size_t c = 0; c < contestants.size(); ++c) {
    const ContestantAnswers& answers = contestants[c];
    scored.evaluation.asked.push_back(info_of(answers, questions));
    for (size_t i = 0; i < questions.references.size(); ++i) {
      Json checks = Json::object();
      for (const auto& [name, result] : scored.results[c][i]) checks[name] = answer_result_json(result);
      Json line{{"id", i}, {"line", questions.lines[i]}, {"contestant", answers.name}};
      if (answers.num_fewshot > 0) line["num_fewshot"] = answers.num_fewshot;
      line["prompt_ids"] = answers.prompt_ids.empty() ? questions.prompt_ids[i] : answers.prompt_ids[i];
      line["answer"] = answers.answers[i];
      if (i < answers.answer_tokens.size() && answers.answer_tokens[i])
        line["answer_tokens"] = *answers.answer_tokens[i];
      line["reference"] = questions.references[i];
      line["stopped"] = static_cast<bool>(answers.stopped[i]);
      line["checks"] = checks;
      lines += record_line(line) + "\n";
    }
  }
  write_file_atomic(folder / "answers.jsonl", lines, IfExists::kReplace);
  write_record(folder / "summary.json", summary_json(scored.evaluation));
  return scored.evaluation;
}

void save_answers(const std::filesystem::path& file, const ContestantAnswers& answers,
                  const std::string& run_hash) {
  Json json{{"format", 1},
            {"run", run_hash},
            {"contestant", answers.name},
            {"answers", answers.answers},
            {"stopped", answers.stopped},
            {"answer_tokens", Json::array()},
            {"num_fewshot", answers.num_fewshot},
            {"prompt_ids", answers.prompt_ids}};
  for (const auto& tokens : answers.answer_tokens) json["answer_tokens"].push_back(tokens.value_or(0));
  write_file_atomic(file, record_line(json) + "\n", IfExists::kReplace);
}

std::optional<ContestantAnswers> load_answers(const std::filesystem::path& file, const std::string& run_hash,
                                              size_t count) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  try {
    const Json json = Json::parse(read_file(file));
    if (json.at("run") != run_hash) return std::nullopt;
    ContestantAnswers answers{json.at("contestant"), json.at("answers"), json.at("stopped"),
                              json.at("num_fewshot"), json.at("prompt_ids")};
    for (const Json& tokens : json.at("answer_tokens"))
      answers.answer_tokens.emplace_back(tokens.get<int64_t>());
    if (answers.answer_tokens.size() != count || answers.answers.size() != count ||
        answers.stopped.size() != count)
      return std::nullopt;
    return answers;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace lora
