// A judge behind an endpoint.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/progress.h"
#include "endpoint/endpoint.h"
#include "eval/judge/judge_model.h"

namespace lora {

class EndpointJudge : public JudgeModel {
 public:
  // Errors: kInput as Endpoint's.
  EndpointJudge(const EndpointConfig& config, const std::filesystem::path& cache_folder,
                std::function<bool()> stop, Progress& progress);

  std::string id() const override { return endpoint_.config().model; }
  nlohmann::ordered_json record() const override;
  std::string use_in_words() const override;
  std::vector<JudgeAnswer> ask(const std::vector<JudgePrompt>& prompts) override;

 private:
  Endpoint endpoint_;
  Progress& progress_;
  std::set<std::string> answered_by_;  // models that the server named
};

// Tokens and cost of an endpoint: prompt_tokens, completion_tokens, answers_without_counts, cost (null without prices).
nlohmann::ordered_json use_json(const Endpoint& endpoint);

}  // namespace lora
