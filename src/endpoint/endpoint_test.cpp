#include "endpoint/endpoint.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "endpoint/testing.h"

namespace lora {
namespace {

bool never() {
  return false;
}

EndpointConfig config_for(const TestServer& server) {
  return {.base_url = server.url(), .model = "m", .timeout_s = 5};
}

std::vector<ChatRequest> questions(const std::vector<std::string>& texts) {
  std::vector<ChatRequest> requests;
  for (const std::string& text : texts) requests.push_back({.messages = {{.role = "user", .content = text}}});
  return requests;
}

void echo(const httplib::Request& request, httplib::Response& response) {
  complete(response, nlohmann::json::parse(request.body)["messages"][0]["content"].dump());
}

TEST(Endpoint, AnswersStandInTheOrderOfTheRequests) {
  TestServer server(echo);
  Endpoint endpoint(config_for(server), {}, "[t]", never);
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) texts.push_back(fmt::format("question {}", i));
  const auto answers = endpoint.ask(questions(texts));
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(answers[i].reply->text, texts[i]);
  EXPECT_EQ(endpoint.use().answers, 40);
  EXPECT_EQ(endpoint.use().prompt_tokens, 400);
  EXPECT_EQ(endpoint.use().completion_tokens, 80);
}

TEST(Endpoint, EqualRequestsAreAskedOnceUnlessTheyAreSamples) {
  TestServer server(echo);
  Endpoint endpoint(config_for(server), {}, "[t]", never);
  auto requests = questions({"a", "b", "a", "a"});
  const auto answers = endpoint.ask(requests);
  EXPECT_EQ(server.requests, 2);
  EXPECT_EQ(answers[3].reply->text, "a");
  EXPECT_EQ(endpoint.use().answers, 2);
  requests[2].sample = 1;
  endpoint.ask(requests);
  EXPECT_EQ(server.requests, 2 + 3);
}

TEST(Endpoint, ABadRequestFailsAloneAndOnce) {
  TestServer server([](const httplib::Request& request, httplib::Response& response) {
    if (request.body.find("bad") == std::string::npos) return echo(request, response);
    response.status = 400;
    response.set_content(R"({"error":{"message":"too long"}})", "application/json");
  });
  Endpoint endpoint(config_for(server), {}, "[t]", never);
  const auto answers = endpoint.ask(questions({"a", "bad", "c"}));
  EXPECT_EQ(answers[2].reply->text, "c");
  EXPECT_FALSE(answers[1].reply);
  EXPECT_EQ(answers[1].failure, "status 400: too long");
  EXPECT_EQ(server.requests, 3);
  EXPECT_EQ(endpoint.use().failed, 1);
}

TEST(Endpoint, TriesAgainAndNotForEver) {
  TestServer server([](const httplib::Request&, httplib::Response& response) { response.status = 503; });
  EndpointConfig config = config_for(server);
  config.max_retries = 1;
  Endpoint endpoint(config, {}, "[t]", never);
  EXPECT_EQ(endpoint.ask(questions({"a"}))[0].failure, "status 503 (tried 2 times)");
  EXPECT_EQ(server.requests, 2);
}

TEST(Endpoint, StopsWhenItIsTold) {
  std::atomic<bool> asked = false;
  TestServer server([&](const httplib::Request& request, httplib::Response& response) {
    asked = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    echo(request, response);
  });
  Endpoint endpoint(config_for(server), {}, "[t]", [&] { return asked.load(); });
  try {
    endpoint.ask(questions({"a"}));
    FAIL() << "went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInterrupted);
  }
}

TEST(Endpoint, AKeyIsReadFromTheEnvironmentAndSent) {
  std::string sent;
  TestServer server([&](const httplib::Request& request, httplib::Response& response) {
    sent = request.get_header_value("Authorization");
    echo(request, response);
  });
  EndpointConfig config = config_for(server);
  config.api_key_env = "LORA_ENDPOINT_TEST_KEY";
  ::unsetenv("LORA_ENDPOINT_TEST_KEY");
  EXPECT_THROW(Endpoint(config, {}, "[t]", never), Error);
  ::setenv("LORA_ENDPOINT_TEST_KEY", "two words", 1);
  EXPECT_THROW(Endpoint(config, {}, "[t]", never), Error);
  ::setenv("LORA_ENDPOINT_TEST_KEY", "sk-1234567\n", 1);
  Endpoint(config, {}, "[t]", never).ask(questions({"a"}));
  EXPECT_EQ(sent, "Bearer sk-1234567");
  config.base_url = "http://192.0.2.1/v1";
  EXPECT_NE(Endpoint(config, {}, "[t]", never).warning().find("unencrypted"), std::string::npos);
  ::unsetenv("LORA_ENDPOINT_TEST_KEY");
}

TEST(Endpoint, AnAnswerIsNeverAlteredForTheSakeOfTheKey) {
  TestServer server([](const httplib::Request& request, httplib::Response& response) {
    if (request.body.find("bad") == std::string::npos) return echo(request, response);
    response.status = 400;
    response.set_content(request.get_header_value("Authorization"), "text/plain");
  });
  EndpointConfig config = config_for(server);
  config.api_key_env = "LORA_ENDPOINT_TEST_KEY";
  ::setenv("LORA_ENDPOINT_TEST_KEY", "ollama", 1);
  EXPECT_EQ(Endpoint(config, {}, "[t]", never).ask(questions({"Install ollama first"}))[0].reply->text,
            "Install ollama first");
  ::setenv("LORA_ENDPOINT_TEST_KEY", "sk-secret-0123456789", 1);
  const auto answers =
      Endpoint(config, {}, "[t]", never).ask(questions({"Send sk-secret-0123456789", "bad", "secret"}));
  EXPECT_FALSE(answers[0].reply);
  EXPECT_EQ(answers[0].failure, "the server repeats the key in its answer, which is not kept");
  EXPECT_EQ(answers[1].failure, "status 400: Bearer [key]");
  EXPECT_EQ(answers[2].reply->text, "secret");
  EXPECT_EQ(server.requests, 4) << "nothing is asked again";
  ::unsetenv("LORA_ENDPOINT_TEST_KEY");
}

TEST(Endpoint, BackoffDoublesWithJitterAndHeedsTheServer) {
  for (uint64_t seed = 0; seed < 200; ++seed)
    for (int attempt = 0; attempt < 40; ++attempt) {
      const double whole = std::min(0.5 * std::pow(2.0, attempt), 60.0);
      const double wait = backoff_seconds(attempt, seed, -1);
      EXPECT_GE(wait, whole / 2);
      EXPECT_LE(wait, whole);
    }
  EXPECT_NE(backoff_seconds(3, 1, -1), backoff_seconds(3, 2, -1));
  EXPECT_EQ(backoff_seconds(0, 1, 17), 17);
}

TEST(Endpoint, CostNeedsBothPrices) {
  const EndpointUse use{.prompt_tokens = 2'000'000, .completion_tokens = 500'000};
  EndpointConfig config;
  EXPECT_FALSE(use.cost(config));
  config.price_per_million_input = 3;
  EXPECT_FALSE(use.cost(config));
  config.price_per_million_output = 10;
  EXPECT_DOUBLE_EQ(*use.cost(config), 11);
}

}  // namespace
}  // namespace lora
