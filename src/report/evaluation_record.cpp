#include "report/evaluation_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "data/chat_jsonl.h"
#include "eval/statistics.h"
#include "report/record_json.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

void order_contestants(std::vector<std::string>& names) {
  const auto rank = [](const std::string& name) {
    return name == "base" ? 0 : name == "few_shot" ? 1 : name == "tuned" ? 2 : 3;
  };
  std::sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return std::pair(rank(a), a) < std::pair(rank(b), b);
  });
}

RateRecord read_rate(const JsonView& json) {
  return {.value = json.at("value").number(),
          .low = json.number_or("low", 0),
          .high = json.number_or("high", 1),
          .n = json.at("n").count(),
          .is_score = json.text_or("kind", "pass") == "score"};
}

ComparisonRecord read_comparison(const JsonView& json) {
  ComparisonRecord pair{.a = json.at("a").text(),
                        .b = json.at("b").text(),
                        .metric = json.at("metric").text(),
                        .wins = json.at("wins").count(),
                        .losses = json.at("losses").count(),
                        .ties = json.at("ties").count(),
                        .p = json.at("p").number(),
                        .p_adjusted = json.optional_number("p_adjusted"),
                        .difference = {},
                        .low = json.optional_number("low"),
                        .high = json.optional_number("high"),
                        .smallest_detectable = json.optional_number("smallest_detectable"),
                        .is_score = json.text_or("kind", "pass") == "score",
                        .test = json.text_or("test", "")};
  if (const auto difference = json.find("difference")) {
    if (difference->json().is_object()) {
      pair.difference = difference->optional_number("value");
      pair.low = difference->optional_number("low");
      pair.high = difference->optional_number("high");
    } else {
      pair.difference = difference->number();
    }
  }
  return pair;
}

// What older files leave out follows from the counts.
void complete(ComparisonRecord& pair, const EvaluationRecord& evaluation) {
  const auto rate = [&](const std::string& name) -> const RateRecord* {
    const auto of = evaluation.rates.find(name);
    if (of == evaluation.rates.end()) return nullptr;
    const auto at = of->second.find(pair.metric);
    return at == of->second.end() ? nullptr : &at->second;
  };
  const RateRecord *a = rate(pair.a), *b = rate(pair.b);
  if (!a || !b) return;
  if (!pair.difference) pair.difference = a->value - b->value;
  if (pair.low || pair.is_score) return;
  const auto passes = static_cast<size_t>(a->value * static_cast<double>(a->n) + 0.5);
  const size_t both = passes > pair.wins ? passes - pair.wins : 0;
  const Interval interval =
      paired_difference_interval(both, pair.wins, pair.losses, pair.ties - std::min(both, pair.ties));
  pair.low = interval.low;
  pair.high = interval.high;
}

// The verdict in words, for files that hold only its name.
std::string make_sentence(const EvaluationRecord& evaluation) {
  std::string out;
  for (const ComparisonRecord& pair : evaluation.comparisons)
    if (pair.metric == evaluation.primary && pair.a == "tuned" && pair.low)
      out += fmt::format("{}{} against {}: {} wins, {} losses, {} ties, p = {:.2g}.", out.empty() ? "" : " ",
                         pair.a, pair.b, pair.wins, pair.losses, pair.ties, pair.p_adjusted.value_or(pair.p));
  return out;
}

void read_summary(const fs::path& path, EvaluationRecord& evaluation) {
  const std::string name = path.string();
  read_json_record(path, name, [&](const JsonView& json) {
    evaluation.primary = json.at("primary").text();
    evaluation.verdict = json.at("verdict").text();
    evaluation.sentence = json.text_or("sentence", "");
    evaluation.why_primary = json.text_or("why_primary", "");
    evaluation.enough_examples = json.flag_or("enough_examples", true);
    evaluation.decided_by = json.text_or("decided_by", "");
    std::set<std::string> seen;
    for (const auto& [contestant, metrics] : json.at("contestants").members()) {
      evaluation.contestants.push_back(contestant);
      for (const auto& [metric, rate] : metrics.members()) {
        evaluation.rates[contestant][metric] = read_rate(rate);
        seen.insert(metric);
      }
    }
    order_contestants(evaluation.contestants);
    if (const auto metrics = json.find("metrics"))
      for (const JsonView& metric : metrics->items()) {
        evaluation.metrics.push_back({.name = metric.at("name").text(),
                                      .type = metric.text_or("type", ""),
                                      .is_score = metric.text_or("kind", "pass") == "score"});
        seen.erase(evaluation.metrics.back().name);
      }
    if (seen.erase(evaluation.primary) > 0)
      evaluation.metrics.insert(evaluation.metrics.begin(), {.name = evaluation.primary, .type = ""});
    for (const std::string& metric : seen) evaluation.metrics.push_back({.name = metric, .type = ""});
    for (const JsonView& pair : json.at("comparisons").items()) {
      evaluation.comparisons.push_back(read_comparison(pair));
      complete(evaluation.comparisons.back(), evaluation);
    }
    if (const auto asked = json.find("asked"))
      for (const JsonView& one : asked->items())
        evaluation.asked.push_back({.name = one.at("name").text(),
                                    .kind = one.text_or("kind", ""),
                                    .source = one.text_or("source", ""),
                                    .examples = one.count_or("num_fewshot", 0),
                                    .cut_off = one.count_or("cut_off", 0),
                                    .prompt_tokens = one.optional_number("prompt_tokens_mean"),
                                    .answer_tokens = one.optional_number("answer_tokens_mean")});
    if (const auto fields = json.find("fields"))
      if (const auto of_primary = fields->find(evaluation.primary))
        for (const auto& [contestant, list] : of_primary->members())
          for (const JsonView& field : list.items())
            evaluation.fields[contestant].push_back({.name = field.at("name").text(),
                                                     .expected = field.count_or("expected", 0),
                                                     .answered = field.count_or("answered", 0),
                                                     .correct = field.count_or("correct", 0)});
  });
  if (evaluation.sentence.empty()) evaluation.sentence = make_sentence(evaluation);
}

CheckOutcome read_check(const std::string& metric, const JsonView& json) {
  CheckOutcome outcome{.metric = metric,
                       .passed = json.at("passed").flag(),
                       .score = json.number_or("score", 0),
                       .why = json.text_or("why", "")};
  if (const auto fields = json.find("fields"))
    for (const JsonView& field : fields->items())
      outcome.fields.push_back({.name = field.at("name").text(),
                                .passed = field.at("passed").flag(),
                                .expected = field.text_or("expected", ""),
                                .got = field.text_or("got", "")});
  return outcome;
}

void read_answers(const fs::path& path, EvaluationRecord& evaluation) {
  std::map<size_t, size_t> place;  // of an id
  read_json_lines(path, path.string(), [&](const JsonView& json) {
    const size_t id = json.at("id").count();
    const auto [at, is_new] = place.try_emplace(id, evaluation.examples.size());
    if (is_new)
      evaluation.examples.push_back({.id = id,
                                     .line = json.count_or("line", 0),
                                     .question = {},
                                     .reference = json.at("reference").text(),
                                     .answers = {evaluation.contestants.size(), std::nullopt}});
    AskedExample& example = evaluation.examples[at->second];
    const std::string name = json.at("contestant").text();
    const auto contestant = evaluation.contestant(name);
    if (!contestant) json.at("contestant").refuse("a contestant of summary.json");
    if (example.reference != json.at("reference").text())
      json.at("reference").refuse("the same reference for every contestant");
    if (example.answers[*contestant])
      json.at("id").refuse(fmt::format("one answer of {} to each example", name));
    GivenAnswer answer{.text = json.at("answer").text(), .stopped = json.flag_or("stopped", true)};
    if (const auto ids = json.find("prompt_ids"); ids && ids->json().is_array())
      answer.prompt_tokens = ids->json().size();
    if (const auto tokens = json.find("answer_tokens")) answer.tokens = tokens->count();
    if (const auto checks = json.find("checks"))
      for (const auto& [metric, outcome] : checks->members())
        answer.checks.push_back(read_check(metric, outcome));
    example.answers[*contestant] = std::move(answer);
  });
}

// Times and money, which stand apart from summary.json.
void add_costs(const fs::path& path, bool on_this_machine, EvaluationRecord& evaluation) {
  if (!fs::exists(path)) return;
  read_json_record(path, path.string(), [&](const JsonView& json) {
    for (const JsonView& one : json.at("contestants").items()) {
      const std::string name = one.at("name").text();
      if (const auto why = one.find("left_out")) {
        evaluation.left_out.push_back({name, why->text()});
        continue;
      }
      for (AskedRecord& asked : evaluation.asked) {
        if (asked.name != name) continue;
        asked.median_s = one.optional_number("latency_median_s");
        asked.p95_s = one.optional_number("latency_p95_s");
        asked.first_token_s = one.optional_number("first_token_median_s");
        asked.cost_per_1000 = one.optional_number("cost_per_1000_answers");
        asked.timed = one.count_or(on_this_machine ? "questions" : "answers", 0);
      }
    }
  });
}

// Rows are asked in the order of their file, so example i is row i; what does not fit is left without its question.
void add_questions(const fs::path& rows, EvaluationRecord& evaluation) {
  if (!fs::exists(rows)) return;
  std::vector<Conversation> read = read_chat_jsonl(rows);
  for (AskedExample& example : evaluation.examples) {
    if (example.id >= read.size()) continue;
    std::vector<Message>& messages = read[example.id].messages;
    if (messages.empty() || messages.back().content != example.reference) continue;
    messages.pop_back();
    example.question = std::move(messages);
  }
}

// Fields of the primary metric, counted where summary.json has no table of them.
void count_fields(EvaluationRecord& evaluation) {
  if (!evaluation.fields.empty()) return;
  std::vector<std::string> order;
  std::map<std::string, std::map<std::string, FieldRecord>> counted;  // by contestant, by field
  for (const AskedExample& example : evaluation.examples) {
    std::vector<std::string>
        expected;  // an answer that cannot be read has no fields: another's tell which there are
    for (const auto& answer : example.answers)
      if (const CheckOutcome* check = answer ? answer->check(evaluation.primary) : nullptr; check)
        for (const FieldOutcome& field : check->fields)
          if (!field.expected.empty() && std::ranges::find(expected, field.name) == expected.end())
            expected.push_back(field.name);
    for (size_t c = 0; c < example.answers.size(); ++c) {
      const CheckOutcome* check =
          example.answers[c] ? example.answers[c]->check(evaluation.primary) : nullptr;
      if (!check) continue;
      auto& fields = counted[evaluation.contestants[c]];
      const bool all_right = check->passed && check->fields.empty();
      for (const std::string& name : expected) {
        ++fields[name].expected;
        fields[name].answered += all_right;
        fields[name].correct += all_right;
      }
      for (const FieldOutcome& field : check->fields) {
        fields[field.name].answered += !field.got.empty();
        fields[field.name].correct += field.passed;
      }
      for (const auto& [name, field] : fields)
        if (std::ranges::find(order, name) == order.end()) order.push_back(name);
    }
  }
  if (order.empty()) return;
  for (const std::string& contestant : evaluation.contestants)
    for (const std::string& name : order) {
      FieldRecord field = counted[contestant][name];
      field.name = name;
      evaluation.fields[contestant].push_back(std::move(field));
    }
}

}  // namespace

const CheckOutcome* GivenAnswer::check(std::string_view metric) const {
  const auto found = std::ranges::find(checks, metric, &CheckOutcome::metric);
  return found == checks.end() ? nullptr : &*found;
}

const ComparisonRecord* EvaluationRecord::comparison(std::string_view a, std::string_view b,
                                                     std::string_view metric) const {
  for (const ComparisonRecord& pair : comparisons)
    if (pair.a == a && pair.b == b && pair.metric == metric) return &pair;
  return nullptr;
}

std::optional<size_t> EvaluationRecord::contestant(std::string_view name) const {
  const auto found = std::ranges::find(contestants, name);
  if (found == contestants.end()) return std::nullopt;
  return static_cast<size_t>(found - contestants.begin());
}

const AskedRecord* EvaluationRecord::of(std::string_view name) const {
  const auto found = std::ranges::find(asked, name, &AskedRecord::name);
  return found == asked.end() ? nullptr : &*found;
}

const MetricRecord* EvaluationRecord::metric(std::string_view name) const {
  const auto found = std::ranges::find(metrics, name, &MetricRecord::name);
  return found == metrics.end() ? nullptr : &*found;
}

EvaluationRecord read_evaluation(const fs::path& folder, const fs::path& rows) {
  EvaluationRecord evaluation;
  read_summary(folder / "summary.json", evaluation);
  add_costs(folder / "timing.json", true, evaluation);
  add_costs(folder / "endpoints.json", false, evaluation);
  if (!fs::exists(folder / "answers.jsonl")) return evaluation;
  read_answers(folder / "answers.jsonl", evaluation);
  add_questions(rows, evaluation);
  count_fields(evaluation);
  return evaluation;
}

std::string answers_digest(const EvaluationRecord& evaluation) {
  std::string all;
  const auto add = [&](std::string_view text) { all += fmt::format("{}:{},", text.size(), text); };
  for (const AskedExample& example : evaluation.examples) {
    add(std::to_string(example.id));
    add(example.reference);
    for (size_t c = 0; c < example.answers.size(); ++c)
      if (example.answers[c]) {
        add(evaluation.contestants[c]);
        add(example.answers[c]->text);
      }
  }
  return sha256_hex(all);
}

}  // namespace lora
