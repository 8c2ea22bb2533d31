#include "judging/contestant.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "endpoint/testing.h"

namespace lora {
namespace {

std::vector<Conversation> rows() {
  std::vector<Conversation> rows(3);
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i].messages = {{.role = "system", .content = "Answer."},
                        {.role = "user", .content = fmt::format("Question {}", i)},
                        {.role = "assistant", .content = "the reference"}};
  return rows;
}

ContestantSettings settings_for(const TestServer& server) {
  ContestantSettings settings;
  settings.name = "large";
  settings.endpoint = {.base_url = server.url(), .model = "m", .max_retries = 0};
  settings.endpoint.price_per_million_input = 1;
  settings.endpoint.price_per_million_output = 10;
  return settings;
}

EndpointContestant ask(const ContestantSettings& settings) {
  Progress progress(Progress::Style::kSilent);
  return ask_contestant(settings, rows(), 77, {}, [] { return false; }, progress);
}

TEST(Contestant, IsAskedTheSameMessagesWithTheSameLimitAndNoReference) {
  std::vector<nlohmann::json> asked;
  std::mutex mutex;
  TestServer server([&](const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    asked.push_back(nlohmann::json::parse(request.body));
    complete(response, asked.back()["messages"][1]["content"].dump());
  });
  const EndpointContestant contestant = ask(settings_for(server));
  EXPECT_EQ(contestant.answers, (std::vector<std::string>{"Question 0", "Question 1", "Question 2"}));
  EXPECT_EQ(contestant.stopped, (std::vector<bool>{true, true, true}));
  ASSERT_EQ(asked.size(), 3u);
  for (const nlohmann::json& body : asked) {
    EXPECT_EQ(body["max_tokens"], 77);
    EXPECT_EQ(body["messages"].size(), 2u);
    EXPECT_EQ(body.dump().find("the reference"), std::string::npos);
  }
  EXPECT_EQ(contestant.record["prompt_tokens"], 30);
  EXPECT_EQ(contestant.record["completion_tokens"], 6);
  EXPECT_NEAR(contestant.record["cost_per_1000_answers"].get<double>(), 1000 * (30 * 1 + 6 * 10) / 1e6 / 3,
              1e-12);
  EXPECT_GT(contestant.record["latency_p95_s"], 0);
}

TEST(Contestant, ALimitOfItsOwn) {
  nlohmann::json last;
  TestServer server([&](const httplib::Request& request, httplib::Response& response) {
    last = nlohmann::json::parse(request.body);
    complete(response, "\"x\"");
  });
  ContestantSettings settings = settings_for(server);
  settings.endpoint.concurrency = 1;
  settings.limits_tokens = true;
  ask(settings);
  EXPECT_FALSE(last.contains("max_tokens"));
  settings.endpoint.max_tokens = 5;
  ask(settings);
  EXPECT_EQ(last["max_tokens"], 5);
}

TEST(Contestant, WithAnAnswerMissingThereIsNoComparison) {
  TestServer server([](const httplib::Request& request, httplib::Response& response) {
    response.status = request.body.find("Question 1") == std::string::npos ? 200 : 400;
    if (response.status == 200) complete(response, "\"x\"");
  });
  try {
    ask(settings_for(server));
    FAIL() << "compared";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMachine);
    EXPECT_NE(std::string(error.what()).find("no answer to question 1"), std::string::npos);
  }
}

TEST(Contestant, WithoutCountsThereIsNoCost) {
  TestServer server([](const httplib::Request&, httplib::Response& response) {
    response.set_content(R"({"choices":[{"message":{"content":"x"}}]})", "application/json");
  });
  const auto record = ask(settings_for(server)).record;
  EXPECT_TRUE(record["cost_per_1000_answers"].is_null());
  EXPECT_EQ(record["answers_without_counts"], 3);
}

TEST(Contestant, Quantiles) {
  EXPECT_EQ(latency_quantile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(latency_quantile({1, 2, 3, 4}, 0.5), 2);
  EXPECT_EQ(latency_quantile({1, 2, 3, 4}, 0.95), 4);
  EXPECT_EQ(latency_quantile({5}, 0), 5);
  EXPECT_EQ(latency_quantile({}, 0.5), 0);
}

}  // namespace
}  // namespace lora
