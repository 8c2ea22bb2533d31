// Asks an endpoint the held-out questions that base and tuned are asked: would a large model behind an endpoint do better,
// and what would it cost?
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "data/conversation.h"
#include "judging/config.h"

namespace lora {

struct EndpointContestant {
  std::string name;
  std::vector<std::string> answers;
  std::vector<bool> stopped;    // false: it ran into its limit of tokens
  std::vector<double> seconds;  // of each answer, when it was first given
  std::vector<std::optional<int64_t>> prompt_tokens, answer_tokens;  // as the server counted them
  nlohmann::ordered_json record;                                     // what endpoints.json says of it
};

// One answer a row, to all messages before its last. `max_new_tokens`: the other contestants' limit.
// Errors: as Endpoint's; kMachine when an answer is missing after all attempts (with one missing, a comparison would be
// unfair; what was answered is in the cache).
EndpointContestant ask_contestant(const ContestantSettings& settings, const std::vector<Conversation>& rows,
                                  int64_t max_new_tokens, const std::filesystem::path& cache_folder,
                                  const std::function<bool()>& stop, Progress& progress);

// The p-latency_quantile of values, 0 <= p <= 1: the smallest value that at least a share p does not exceed. 0 for none.
double latency_quantile(std::vector<double> values, double p);

}  // namespace lora
