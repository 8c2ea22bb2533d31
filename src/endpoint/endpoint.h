// Asks an OpenAI-compatible endpoint: many requests, several at a time, each tried again with exponential back-off where
// that may help, every answer cached. Reaches the network, and only where the user named a URL.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "endpoint/address.h"
#include "endpoint/answer_cache.h"
#include "endpoint/completion.h"

namespace lora {

struct EndpointConfig {
  std::string base_url, model;
  std::string api_key_env = {};  // the variable that holds the key; empty: none is sent
  int64_t concurrency = 4;
  double timeout_s = 120;
  int64_t max_retries = 5;
  std::optional<double> price_per_million_input = {}, price_per_million_output = {};  // in any one currency
  std::optional<double> temperature = 0;
  int64_t max_tokens = 0;  // 0: the server's own limit
  std::string max_tokens_field = "max_tokens";
  std::string ca_file = {};
};

// Tokens, as servers count them, and what they cost.
struct EndpointUse {
  int64_t answers = 0, asked_now = 0, failed = 0,
          attempts = 0;                              // asked_now: answers that the cache did not have
  int64_t prompt_tokens = 0, completion_tokens = 0;  // of all answers, cached ones too
  int64_t uncounted = 0;                             // answers without token counts
  int64_t taken() const { return answers - asked_now; }
  // Nothing when a price is not configured. Answers without counts cost nothing in it.
  std::optional<double> cost(const EndpointConfig& config) const;
};

struct EndpointAnswer {
  std::optional<ChatReply> reply;  // or
  std::string failure;             // why there is none, after all attempts
};

class Endpoint {
 public:
  // Errors: kInput when the URL, the key's variable, a range or the CA file is wrong. `where`: "[judge]".
  // `stop` is asked often, from the calling thread. No network yet.
  Endpoint(EndpointConfig config, std::filesystem::path cache_folder, const std::string& where,
           std::function<bool()> stop);

  // Answers in the order of the requests; equal ones are asked once. One request that fails (time-outs, a body that is
  // too large or no completion, status 400) is a failure of that answer.
  // Errors: kInput when the server refuses all (401, 403, 404, redirects, certificates); kMachine when so many fail in a
  // row that the rest is not tried; kInterrupted when `stop` says so. What was answered by then is in the cache.
  std::vector<EndpointAnswer> ask(const std::vector<ChatRequest>& requests,
                                  const std::function<void(size_t done, size_t total)>& on_progress = {});

  const EndpointConfig& config() const { return config_; }
  const Address& address() const { return address_; }
  const EndpointUse& use() const { return use_; }
  // Tells of those that the cache had, as AnswerCache does.
  std::string taken_in_words() const { return cache_.taken_in_words(use_.taken()); }
  // Something the user should know before anything is sent; "" when there is nothing.
  std::string warning() const;

 private:
  class Round;
  EndpointConfig config_;
  Address address_;
  std::string key_;
  AnswerCache cache_;
  std::function<bool()> stop_;
  EndpointUse use_;
};

// Seconds to wait before attempt `attempt` + 1 (from 0): 0.5 doubled each time, at most 60, times a share from 0.5 to 1
// that depends on `seed` (jitter: many clients do not come back at once), and no less than `retry_after` asks for.
double backoff_seconds(int attempt, uint64_t seed, double retry_after);

}  // namespace lora
