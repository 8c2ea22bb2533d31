#include "judging/endpoint_judge.h"

#include <fmt/format.h>

namespace lora {

EndpointJudge::EndpointJudge(const EndpointConfig& config, const std::filesystem::path& cache_folder,
                             std::function<bool()> stop, Progress& progress)
    : endpoint_(config, cache_folder, "[judge]", std::move(stop)), progress_(progress) {
  if (const std::string warning = endpoint_.warning(); !warning.empty())
    progress_.print("warning: " + warning);
}

std::vector<JudgeAnswer> EndpointJudge::ask(const std::vector<JudgePrompt>& prompts) {
  const EndpointConfig& config = endpoint_.config();
  std::vector<ChatRequest> requests;
  for (const JudgePrompt& prompt : prompts)
    requests.push_back({.messages = prompt.messages,
                        .temperature = config.temperature,
                        .max_tokens = config.max_tokens,
                        .max_tokens_field = config.max_tokens_field,
                        .sample = prompt.sample});
  const std::vector<EndpointAnswer> answers = endpoint_.ask(requests, [&](size_t done, size_t total) {
    progress_.update(fmt::format("asking the judge {}: {} of {}", id(), done, total));
  });
  progress_.clear();
  std::vector<JudgeAnswer> result;
  for (const EndpointAnswer& answer : answers) {
    JudgeAnswer& added = result.emplace_back();
    if (!answer.reply) {
      added.failure = answer.failure;
      continue;
    }
    added = {.text = answer.reply->text,
             .whole = answer.reply->is_whole(),
             .prompt_tokens = answer.reply->prompt_tokens,
             .completion_tokens = answer.reply->completion_tokens};
    if (!answer.reply->model.empty()) answered_by_.insert(answer.reply->model);
  }
  return result;
}

nlohmann::ordered_json EndpointJudge::record() const {
  nlohmann::ordered_json json{
      {"url", endpoint_.address().shown()},
      {"model", endpoint_.config().model},
      {"answered_by", answered_by_},
      {"temperature", endpoint_.config().temperature ? nlohmann::ordered_json(*endpoint_.config().temperature)
                                                     : nlohmann::ordered_json("default")},
      {"max_tokens", endpoint_.config().max_tokens}};
  json.update(use_json(endpoint_));
  return json;
}

nlohmann::ordered_json use_json(const Endpoint& endpoint) {
  const EndpointUse& use = endpoint.use();
  const auto cost = use.cost(endpoint.config());
  return {{"answers", use.answers},
          {"failed", use.failed},
          {"prompt_tokens", use.prompt_tokens},
          {"completion_tokens", use.completion_tokens},
          {"answers_without_counts", use.uncounted},
          {"cost", cost ? nlohmann::ordered_json(*cost) : nlohmann::ordered_json(nullptr)}};
}

std::string EndpointJudge::use_in_words() const {
  const EndpointUse& use = endpoint_.use();
  const auto cost = use.cost(endpoint_.config());
  return fmt::format("{} answers of the judge, {} asked now{}; {} tokens in, {} out{}", use.answers,
                     use.asked_now, endpoint_.taken_in_words(), use.prompt_tokens, use.completion_tokens,
                     cost ? fmt::format(", cost {:.4g}", *cost) : "");
}

}  // namespace lora
