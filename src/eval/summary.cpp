#include "eval/summary.h"

#include <fmt/format.h>

#include <algorithm>

namespace lora {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

const char* kind_of(bool is_score) {
  return is_score ? "score" : "pass";
}

Json metric_json(const MetricInfo& metric, const std::string& primary) {
  Json json{{"name", metric.name},
            {"type", metric.type},
            {"kind", kind_of(metric.is_score)},
            {"primary", metric.name == primary},
            {"declared", metric.declared},
            {"is_format", metric.is_format},
            {"n", metric.n}};
  if (!metric.system.empty()) json["system"] = metric.system;
  if (!metric.system_contains.empty()) json["system_contains"] = metric.system_contains;
  if (!metric.tag.empty()) json["tag"] = metric.tag;
  if (metric.of_rows) json["of_rows"] = true;
  if (metric.unscored > 0) json["unscored"] = metric.unscored;
  return json;
}

Json rate_json(const Rate& rate) {
  Json json{{"value", rate.value},
            {"n", rate.n},
            {"low", rate.interval.low},
            {"high", rate.interval.high},
            {"kind", kind_of(rate.is_score)}};
  if (!rate.is_score) json["passes"] = rate.passes;
  if (rate.corpus) json["corpus"] = *rate.corpus;
  return json;
}

Json pair_json(const PairedComparison& pair) {
  return {{"a", pair.a},
          {"b", pair.b},
          {"metric", pair.metric},
          {"wins", pair.wins},
          {"losses", pair.losses},
          {"ties", pair.ties},
          {"p", pair.p},
          {"smallest_detectable", or_null(pair.smallest_detectable)},
          {"kind", kind_of(pair.is_score)},
          {"test", pair.test},
          {"p_adjusted", pair.p_adjusted},
          {"difference", pair.mean_difference},
          {"low", pair.difference.low},
          {"high", pair.difference.high}};
}

Json field_json(const FieldCounts& field) {
  return {{"name", field.name},
          {"expected", field.expected},
          {"answered", field.answered},
          {"correct", field.correct},
          {"precision", or_null(field.precision())},
          {"recall", or_null(field.recall())},
          {"f1", or_null(field.f1())}};
}

Json asked_json(const ContestantInfo& asked) {
  Json json{{"name", asked.name}, {"kind", asked.kind}};
  if (!asked.source.empty()) json["source"] = asked.source;
  if (asked.examples > 0) json["num_fewshot"] = asked.examples;
  json["answers"] = asked.answers;
  json["cut_off"] = asked.cut_off;
  json["prompt_tokens_mean"] = or_null(asked.prompt_tokens);
  json["answer_tokens_mean"] = or_null(asked.answer_tokens);
  return json;
}

std::string percent(double share) {
  return fmt::format("{:.0f} %", 100 * share);
}

std::string size_in_words(const PairedComparison& pair, double size) {
  return pair.is_score ? fmt::format("{:.3f}", size) : percent(size);
}

// The beginning and the end of a name, `width` bytes at most; no character is parted.
std::string cut(const std::string& name, size_t width) {
  if (name.size() <= width) return name;
  const auto inside = [&](size_t at) { return (static_cast<unsigned char>(name[at]) & 0xC0) == 0x80; };
  size_t head = width - 7, tail = name.size() - 6;
  while (head > 0 && inside(head)) --head;
  while (tail < name.size() && inside(tail)) ++tail;
  return name.substr(0, head) + "~" + name.substr(tail);
}

std::string number_or_blank(const std::optional<double>& value, int decimals) {
  return value ? fmt::format("{:.{}f}", *value, decimals) : "";
}

std::string seconds_or_blank(const std::optional<double>& seconds) {
  return number_or_blank(seconds, seconds && *seconds < 1 ? 3 : 2);
}

// What an answer costs. Blank where it is not known.
std::string cost_table(const std::vector<ContestantInfo>& all) {
  std::string text = fmt::format("\n{:<20} {:>9} {:>9} {:>7} {:>9} {:>9} {:>10}\n", "an answer of",
                                 "tokens in", "out", "cut off", "median s", "p95 s", "1000 cost");
  for (const ContestantInfo& asked : all) {
    const std::string name =
        asked.examples > 0 ? fmt::format("{} ({} shown)", asked.name, asked.examples) : asked.name;
    text += fmt::format(
        "{:<20} {:>9} {:>9} {:>7} {:>9} {:>9} {:>10}\n", cut(name, 20),
        number_or_blank(asked.prompt_tokens, 0), number_or_blank(asked.answer_tokens, 0), asked.cut_off,
        seconds_or_blank(asked.latency_median_s), seconds_or_blank(asked.latency_p95_s),
        asked.cost_per_1000_answers ? fmt::format("{:.4g}", *asked.cost_per_1000_answers) : "");
  }
  const auto timed_as = [&](bool endpoint) {
    return std::any_of(all.begin(), all.end(), [&](const ContestantInfo& asked) {
      return asked.latency_median_s && (asked.kind == "endpoint") == endpoint;
    });
  };
  if (timed_as(false))
    text += "Seconds of local models: some questions once more, each alone, prompt and answer.\n";
  if (timed_as(true))
    text += "Seconds of endpoints: of each request that succeeded, with others under way.\n";
  return text;
}

}  // namespace

nlohmann::ordered_json summary_json(const Evaluation& evaluation) {
  Json summary = {{"format", 1},
                  {"primary", evaluation.primary},
                  {"verdict", verdict_name(evaluation.verdict)},
                  {"sentence", evaluation.sentence},
                  {"enough_examples", evaluation.enough_examples},
                  {"why_primary", evaluation.why_primary}};
  summary["metrics"] = Json::array();
  for (const MetricInfo& metric : evaluation.metrics)
    summary["metrics"].push_back(metric_json(metric, evaluation.primary));
  summary["contestants"] = Json::object();
  for (const auto& [name, rates] : evaluation.rates)
    for (const auto& [metric, rate] : rates) summary["contestants"][name][metric] = rate_json(rate);
  if (!evaluation.asked.empty()) {
    summary["asked"] = Json::array();
    for (const ContestantInfo& asked : evaluation.asked) summary["asked"].push_back(asked_json(asked));
  }
  summary["comparisons"] = Json::array();
  for (const PairedComparison& pair : evaluation.comparisons)
    summary["comparisons"].push_back(pair_json(pair));
  summary["fields"] = Json::object();
  for (const auto& [metric, contestants] : evaluation.fields)
    for (const auto& [contestant, fields] : contestants) {
      Json& list = summary["fields"][metric][contestant] = Json::array();
      for (const FieldCounts& field : fields) list.push_back(field_json(field));
    }
  if (!evaluation.decided_by.empty()) summary["decided_by"] = evaluation.decided_by;
  return summary;
}

std::string comparison_table(const Evaluation& evaluation) {
  std::string text = fmt::format("{:<12} {:<20} {:>7} {:>7}  {}\n", "contestant", "metric", "passed", "rate",
                                 "95 % interval");
  for (const auto& [name, rates] : evaluation.rates)
    for (const auto& [metric, rate] : rates) {
      const Interval& interval = rate.interval;
      text += fmt::format(
          "{:<12} {:<20} {:>7} {:>7}  {}{}\n", cut(name, 12), cut(metric, 20),
          rate.is_score ? "" : fmt::format("{}/{}", rate.passes, rate.n),
          rate.is_score ? fmt::format("{:.3f}", rate.value) : fmt::format("{:.1f} %", 100 * rate.value),
          rate.is_score ? fmt::format("{:.3f} to {:.3f}", interval.low, interval.high)
                        : percent(interval.low) + " to " + percent(interval.high),
          metric == evaluation.primary ? "  (primary)" : "");
    }
  text += fmt::format("\n{:<20} {:<20} {:>4} {:>6} {:>4} {:>7} {:>8}\n", "comparison", "metric", "wins",
                      "losses", "ties", "p", "smallest");
  for (const PairedComparison& pair : evaluation.comparisons)
    text += fmt::format("{:<20} {:<20} {:>4} {:>6} {:>4} {:>7.2g} {:>8}\n", cut(pair.a + " - " + pair.b, 20),
                        cut(pair.metric, 20), pair.wins, pair.losses, pair.ties, pair.p,
                        pair.smallest_detectable ? size_in_words(pair, *pair.smallest_detectable) : "none");
  if (!evaluation.asked.empty()) text += cost_table(evaluation.asked);
  return text;
}

}  // namespace lora
