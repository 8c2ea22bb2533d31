#include "run/latency.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/interrupt.h"
#include "eval/record_file.h"
#include "generate/generator.h"
#include "judging/contestant.h"

namespace lora {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

// One answer, asked alone.
struct Timed {
  size_t id = 0;
  double first_token = 0, seconds = 0;
  size_t tokens = 0;
};

Timed ask_alone(const Session& session, const Adapter* adapter, size_t id, const std::vector<int32_t>& prompt,
                const GenerateOptions& options) {
  Timed timed{.id = id};
  const auto began = Clock::now();
  const std::vector<Answer> answer =
      generate(session.decoder(), adapter, {prompt}, options, [&](size_t, int32_t) {
        if (timed.first_token == 0) timed.first_token = seconds_since(began);
        if (interrupt_requested())
          throw Error(ErrorKind::kInterrupted, {.where = "latency",
                                                .found = "stopped while it was measured",
                                                .fix = "Give the same command again to go on."});
      });
  timed.seconds = seconds_since(began);
  timed.tokens = answer.front().ids.size();
  if (timed.tokens == 0) timed.first_token = timed.seconds;
  return timed;
}

Json timing_json(const std::string& name, const std::vector<Timed>& all, Latency& latency,
                 const std::optional<double>& price_per_hour) {
  std::vector<double> seconds, first;
  double sum = 0, tokens = 0;
  Json each = Json::array();
  for (const Timed& timed : all) {
    seconds.push_back(timed.seconds);
    first.push_back(timed.first_token);
    sum += timed.seconds;
    tokens += static_cast<double>(timed.tokens);
    each.push_back({{"id", timed.id},
                    {"first_token_s", timed.first_token},
                    {"seconds", timed.seconds},
                    {"answer_tokens", timed.tokens}});
  }
  latency.median_s = latency_quantile(seconds, 0.5);
  latency.p95_s = latency_quantile(seconds, 0.95);
  if (price_per_hour)
    latency.cost_per_1000_answers = 1000 * *price_per_hour / 3600 * sum / static_cast<double>(all.size());
  return {{"name", name},
          {"questions", all.size()},
          {"latency_median_s", latency.median_s},
          {"latency_p95_s", latency.p95_s},
          {"first_token_median_s", latency_quantile(first, 0.5)},
          {"tokens_per_second", sum > 0 ? Json(tokens / sum) : Json(nullptr)},
          {"cost_per_1000_answers",
           latency.cost_per_1000_answers ? Json(*latency.cost_per_1000_answers) : Json(nullptr)},
          {"answers", each}};
}

}  // namespace

LatencyOptions latency_options(const RunConfig& config) {
  LatencyOptions options{.questions = config.latency_questions};
  if (config.price_per_hour > 0) options.price_per_hour = config.price_per_hour;
  return options;
}

std::vector<size_t> spread_over(size_t count, size_t most) {
  std::vector<size_t> chosen;
  const size_t n = std::min(count, most);
  for (const size_t first : {0, 1})
    for (size_t i = first; i < n; i += 2) chosen.push_back(i * count / n);
  return chosen;
}

void measure_latency(const Session& session, const std::vector<LocalContestant>& contestants,
                     const Questions& questions, const LatencyOptions& options,
                     const std::filesystem::path& folder, Progress& progress) {
  if (options.questions <= 0 || contestants.empty()) return;
  GenerateOptions generate_options;
  generate_options.max_new_tokens = questions.max_new_tokens;
  generate_options.within_context = true;
  generate_options.batch_size = 1;
  generate_options.stop_ids = session.renderer().stop_ids();
  std::vector<std::vector<Timed>> timed(contestants.size());
  const double most_seconds = options.seconds * static_cast<double>(contestants.size());
  const auto began = Clock::now();
  for (const size_t id : spread_over(questions.prompt_ids.size(), static_cast<size_t>(options.questions))) {
    if (static_cast<int64_t>(timed[0].size()) >= options.fewest && seconds_since(began) > most_seconds) break;
    for (size_t c = 0; c < contestants.size(); ++c) {
      const ContestantAnswers& answers = *contestants[c].answers;
      progress.update(fmt::format("latency: {}, question {} alone", answers.name, timed[c].size() + 1));
      const std::vector<int32_t>& prompt =
          answers.prompt_ids.empty() ? questions.prompt_ids[id] : answers.prompt_ids[id];
      timed[c].push_back(ask_alone(session, contestants[c].adapter, id, prompt, generate_options));
    }
  }
  progress.clear();
  Json json{{"format", 1}, {"threads", at::get_num_threads()}};
  json["price_per_hour"] = options.price_per_hour ? Json(*options.price_per_hour) : Json(nullptr);
  json["contestants"] = Json::array();
  for (size_t c = 0; c < contestants.size(); ++c) {
    Latency& latency = contestants[c].answers->latency.emplace();
    json["contestants"].push_back(
        timing_json(contestants[c].answers->name, timed[c], latency, options.price_per_hour));
  }
  write_record(folder / "timing.json", json);
}

}  // namespace lora
