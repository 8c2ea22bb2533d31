#include "eval/scoring.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/loose_answers.h"
#include "eval/text_overlap.h"

namespace lora {
namespace {

using Results = std::map<std::string, AnswerResult>;

std::string_view last_question(const Conversation& row) {
  for (auto message = row.messages.rbegin(); message != row.messages.rend(); ++message)
    if (message->role == "user") return message->content;
  return {};
}

Results judge_answer(const Metrics& metrics, const Conversation& row, const std::string& answer) {
  Results results;
  const CheckInput input{answer, row.messages.back().content, last_question(row)};
  for (const Metric& metric : metrics.metrics) {
    if (!metric.check.applies_to(row)) continue;
    AnswerResult& one = results[metric.check.name];
    const Check& check = metric.check.of(row);
    one.result = check.run_on(input);
    if (metric.declared && metric.check.check->is_format())
      one.passed_loose = one.result.passed || passes_loosely(check, input);
  }
  return results;
}

// BLEU and chrF are not the mean over sentences: they are made of counts over all of them.
std::optional<double> corpus_score(const Metric& metric, std::span<const Conversation> rows,
                                   std::span<const std::string> answers) {
  const bool is_bleu = metric.check.type == "bleu";
  if (!is_bleu && metric.check.type != "chrf") return std::nullopt;
  BleuCounts words;
  ChrfCounts characters;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!metric.check.applies_to(rows[i])) continue;
    const std::string& reference = rows[i].messages.back().content;
    if (is_bleu)
      words += bleu_counts(answers[i], reference);
    else
      characters += chrf_counts(answers[i], reference);
  }
  return is_bleu ? bleu(words, false) : chrf(characters);
}

// Whether all declared format checks pass; nothing where none applies.
std::optional<bool> follows_instructions(const Results& results, bool loose) {
  std::optional<bool> follows;
  for (const auto& [name, one] : results)
    if (one.passed_loose) follows = follows.value_or(true) && (loose ? *one.passed_loose : one.result.passed);
  return follows;
}

void count_fields(const std::vector<FieldResult>& fields, std::vector<FieldCounts>& counts) {
  for (const FieldResult& field : fields) {
    auto found =
        std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.name == field.name; });
    if (found == counts.end()) found = counts.insert(counts.end(), FieldCounts{.name = field.name});
    found->expected += !field.expected.empty();
    found->answered += !field.got.empty();
    found->correct += field.passed;
  }
}

}  // namespace

std::string PrimaryTally::in_words(const std::string& metric) const {
  return is_score ? fmt::format("{} {:.3f} over {}", metric, mean(), n)
                  : fmt::format("{:.0f} of {} {}", sum, n, metric);
}

PrimaryTally tally_primary(const Metrics& metrics, std::span<const Conversation> rows,
                           std::span<const std::string> answers) {
  PrimaryTally tally;
  tally.is_score = metrics.is_score();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!metrics.decides(rows[i])) continue;
    ++tally.n;
    if (metrics.primary.name == kInstructionFollowing) {
      tally.sum += follows_instructions(judge_answer(metrics, rows[i], answers[i]), false).value_or(false);
      continue;
    }
    const CheckResult result = metrics.metrics.front().check.of(rows[i]).run_on(
        {answers[i], rows[i].messages.back().content, last_question(rows[i])});
    tally.sum += result.unscored ? 0 : tally.is_score ? result.score : static_cast<double>(result.passed);
  }
  return tally;
}

Scored score_answers(const Metrics& metrics, std::span<const Conversation> rows,
                     std::span<const AnswersGiven> contestants, const ComparisonOptions& options) {
  Scored scored;
  std::vector<Contestant> outcomes;
  for (const AnswersGiven& given : contestants) {
    auto& results = scored.results.emplace_back();
    for (size_t i = 0; i < rows.size(); ++i)
      results.push_back(judge_answer(metrics, rows[i], given.answers[i]));
    outcomes.push_back({given.contestant, {{"stopped", given.stopped}}, {}});
  }

  std::vector<MetricInfo> infos;
  std::map<std::string, std::map<std::string, std::vector<FieldCounts>>> all_fields;
  for (const Metric& metric : metrics.metrics) {
    const std::string& name = metric.check.name;
    MetricInfo info{.name = name,
                    .type = metric.check.type,
                    .is_score = metric.check.check->is_score(),
                    .declared = metric.declared,
                    .is_format = metric.check.check->is_format(),
                    .system = metric.check.system,
                    .system_contains = metric.check.system_contains,
                    .tag = metric.check.tag,
                    .of_rows = metric.check.is_of_rows()};
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!metric.check.applies_to(rows[i])) continue;
      ++info.n;
      const bool unscored =
          std::any_of(scored.results.begin(), scored.results.end(),
                      [&](const auto& of_rows) { return of_rows[i].at(name).result.unscored; });
      info.unscored += unscored;
      for (size_t c = 0; c < outcomes.size(); ++c) {
        const CheckResult& result = scored.results[c][i].at(name).result;
        if (info.is_score)
          outcomes[c].scores[name].push_back(unscored ? 0 : result.score);
        else
          outcomes[c].passed[name].push_back(!unscored && result.passed);
        if (metric.check.type == "json_fields")
          count_fields(result.fields, all_fields[name][outcomes[c].name]);
      }
    }
    if (info.n > 0) infos.push_back(std::move(info));
  }

  for (const bool loose : {false, true}) {
    const std::string name(loose ? kInstructionFollowingLoose : kInstructionFollowing);
    MetricInfo info{.name = name, .type = name, .is_format = true};
    for (size_t c = 0; c < outcomes.size(); ++c)
      for (const Results& results : scored.results[c])
        if (const auto follows = follows_instructions(results, loose))
          outcomes[c].passed[name].push_back(*follows);
    if (!outcomes.empty() && outcomes[0].passed.contains(name)) {
      info.n = outcomes[0].passed[name].size();
      infos.push_back(std::move(info));
    }
  }
  infos.push_back({.name = "stopped", .type = "stopped", .is_format = true, .n = rows.size()});
  std::stable_partition(infos.begin(), infos.end(),
                        [&](const MetricInfo& info) { return info.name == metrics.primary.name; });

  ComparisonOptions compare_options = options;
  compare_options.primary = metrics.primary.name;
  scored.evaluation = compare(outcomes, compare_options);
  scored.evaluation.why_primary = metrics.primary.why;
  for (const Metric& metric : metrics.metrics)
    for (const AnswersGiven& given : contestants) {
      auto& rates = scored.evaluation.rates[given.contestant];
      if (const auto rate = rates.find(metric.check.name); rate != rates.end())
        rate->second.corpus = corpus_score(metric, rows, given.answers);
    }
  const auto deciding = std::find_if(
      infos.begin(), infos.end(), [&](const MetricInfo& info) { return info.name == metrics.primary.name; });
  if (deciding != infos.end() && deciding->n < rows.size())
    scored.evaluation.sentence +=
        fmt::format(" \"{}\" applies to {} of the {} held-out rows; the other {} do not count.",
                    deciding->name, deciding->n, rows.size(), rows.size() - deciding->n);
  if (deciding != infos.end() && deciding->unscored > 0)
    scored.evaluation.sentence += fmt::format(" Scoring failed on {} of {} examples, which count 0 for all.",
                                              deciding->unscored, deciding->n);
  scored.evaluation.metrics = std::move(infos);
  scored.evaluation.fields = std::move(all_fields);
  return scored;
}

nlohmann::ordered_json answer_result_json(const AnswerResult& one) {
  nlohmann::ordered_json json{{"passed", one.result.passed}, {"score", one.result.score}};
  if (!one.result.why.empty()) json["why"] = one.result.why;
  if (!one.result.fields.empty()) {
    auto fields = nlohmann::ordered_json::array();
    for (const FieldResult& field : one.result.fields)
      fields.push_back(
          {{"name", field.name}, {"passed", field.passed}, {"expected", field.expected}, {"got", field.got}});
    json["fields"] = std::move(fields);
  }
  if (one.passed_loose) json["passed_loose"] = *one.passed_loose;
  if (one.result.unscored) json["unscored"] = true;
  return json;
}

}  // namespace lora
