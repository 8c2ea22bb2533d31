#include "judging/contestant.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "judging/endpoint_judge.h"

namespace lora {

double latency_quantile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(std::ceil(p * static_cast<double>(values.size())));
  return values[std::min(std::max<size_t>(rank, 1), values.size()) - 1];
}

EndpointContestant ask_contestant(const ContestantSettings& settings, const std::vector<Conversation>& rows,
                                  int64_t max_new_tokens, const std::filesystem::path& cache_folder,
                                  const std::function<bool()>& stop, Progress& progress) {
  Endpoint endpoint(settings.endpoint, cache_folder, fmt::format("[[contestant]] {}", settings.name), stop);
  if (const std::string warning = endpoint.warning(); !warning.empty()) progress.print("warning: " + warning);
  std::vector<ChatRequest> requests;
  for (const Conversation& row : rows)
    requests.push_back({.messages = {row.messages.begin(), row.messages.end() - 1},
                        .tools = row.tools,
                        .temperature = settings.endpoint.temperature,
                        .max_tokens = settings.limits_tokens ? settings.endpoint.max_tokens : max_new_tokens,
                        .max_tokens_field = settings.endpoint.max_tokens_field});
  const std::vector<EndpointAnswer> answers = endpoint.ask(requests, [&](size_t done, size_t total) {
    progress.update(fmt::format("asking {}: {} of {}", settings.name, done, total));
  });
  progress.clear();
  if (endpoint.use().taken() > 0)
    progress.print(
        fmt::format("{}: {} answers{}", settings.name, endpoint.use().answers, endpoint.taken_in_words()));

  EndpointContestant contestant;
  contestant.name = settings.name;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].reply)
      throw Error::machine(
          {.where = endpoint.address().shown(),
           .found = fmt::format("{} has no answer to question {}: {}", settings.name, i, answers[i].failure),
           .fix = "Run it again later: what was answered is kept."});
    contestant.answers.push_back(answers[i].reply->text);
    contestant.stopped.push_back(answers[i].reply->is_whole());
    contestant.seconds.push_back(answers[i].reply->seconds);
    contestant.prompt_tokens.push_back(answers[i].reply->prompt_tokens);
    contestant.answer_tokens.push_back(answers[i].reply->completion_tokens);
  }
  nlohmann::ordered_json& record = contestant.record;
  record = {{"name", settings.name}, {"url", endpoint.address().shown()}, {"model", settings.endpoint.model}};
  record["latency_median_s"] = latency_quantile(contestant.seconds, 0.5);
  record["latency_p95_s"] = latency_quantile(contestant.seconds, 0.95);
  record.update(use_json(endpoint));
  const auto cost = endpoint.use().cost(settings.endpoint);
  const bool counted = endpoint.use().uncounted == 0 && !answers.empty();
  record["cost_per_1000_answers"] =
      cost && counted ? nlohmann::ordered_json(1000 * *cost / static_cast<double>(endpoint.use().answers))
                      : nlohmann::ordered_json(nullptr);
  return contestant;
}

}  // namespace lora
