#include "endpoint/completion.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace lora {
namespace {

using Json = nlohmann::json;

std::string refusal(const std::string& body) {
  try {
    parse_completion(body, "https://host");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Completion, ARequestHoldsWhatIsSetAndNothingElse) {
  ChatRequest request{.messages = {{.role = "user", .content = "Hi"}}};
  EXPECT_EQ(Json::parse(request_text("m", request)),
            Json::parse(R"({"model":"m","messages":[{"role":"user","content":"Hi"}]})"));
  request.temperature = 0;
  request.max_tokens = 7;
  request.max_tokens_field = "max_completion_tokens";
  request.tools = R"([{"type":"function"}])";
  request.sample = 3;
  const Json json = Json::parse(request_text("m", request));
  EXPECT_EQ(json["temperature"], 0.0);
  EXPECT_EQ(json["max_completion_tokens"], 7);
  EXPECT_EQ(json["tools"][0]["type"], "function");
  EXPECT_FALSE(json.contains("sample"));
}

TEST(Completion, BrokenUtf8BecomesReplacementCharacters) {
  const ChatRequest request{.messages = {{.role = "user",
                                          .content = "a\xff"
                                                     "b"}}};
  EXPECT_EQ(Json::parse(request_text("m", request))["messages"][0]["content"],
            "a\xEF\xBF\xBD"
            "b");
}

TEST(Completion, AnAnswerAsServersGiveIt) {
  const ChatReply reply = parse_completion(
      R"({"id":"x","model":"m-1","choices":[{"index":0,"finish_reason":"length","message":{"role":"assistant",
          "content":"Hello"}}],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}})",
      "w");
  EXPECT_EQ(reply.text, "Hello");
  EXPECT_EQ(reply.model, "m-1");
  EXPECT_FALSE(reply.is_whole());
  EXPECT_EQ(reply.prompt_tokens, 12);
  EXPECT_EQ(reply.completion_tokens, 3);
}

TEST(Completion, OtherFormsOfContent) {
  EXPECT_EQ(parse_completion(
                R"({"choices":[{"message":{"content":[{"type":"text","text":"a"},{"text":"b"}]}}]})", "w")
                .text,
            "ab");
  EXPECT_EQ(parse_completion(R"({"choices":[{"message":{"content":null,"refusal":"No."}}]})", "w").text,
            "No.");
  EXPECT_EQ(
      parse_completion(R"({"choices":[{"message":{"content":null,"tool_calls":[{"id":"1"}]}}]})", "w").text,
      R"([{"id":"1"}])");
  EXPECT_EQ(parse_completion(R"({"choices":[{"message":{"content":""}}]})", "w").text, "");
}

TEST(Completion, CountsThatAreNoneAreLeftOut) {
  for (const char* usage :
       {"null", "7", R"({"prompt_tokens":-1,"completion_tokens":1.5})", R"({"prompt_tokens":"9"})",
        R"({"prompt_tokens":18446744073709551615,"completion_tokens":1e99})"}) {
    const ChatReply reply = parse_completion(
        std::string(R"({"choices":[{"message":{"content":"x"}}],"usage":)") + usage + "}", "w");
    EXPECT_FALSE(reply.prompt_tokens) << usage;
    EXPECT_FALSE(reply.completion_tokens) << usage;
  }
}

TEST(Completion, WhatIsNoAnswerIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "not JSON"},
      {"<html><body>gateway</body>", "<html>"},
      {R"({"choices":[{"message":{"content":"x"}}])", "not JSON"},
      {"[]", "a JSON array"},
      {"{}", "no \"choices\""},
      {R"({"choices":{}})", "\"choices\" is a JSON object"},
      {R"({"choices":[]})", "\"choices\" is empty"},
      {R"({"choices":[7]})", "no object \"message\""},
      {R"({"choices":[{"message":"x"}]})", "no object \"message\""},
      {R"({"choices":[{"message":{}}]})", "no \"content\""},
      {R"({"choices":[{"message":{"content":7}}]})", "\"content\" is a JSON number"},
      {R"({"choices":[{"message":{"content":[{"type":"image"}]}}]})", "\"content\" is a JSON array"},
      {R"({"error":{"message":"overloaded"}})", "overloaded"}};
  for (const auto& [body, said] : cases)
    EXPECT_NE(refusal(body).find(said), std::string::npos) << body << "\n" << refusal(body);
  EXPECT_NE(refusal(std::string(100000, '[')), "accepted");
}

TEST(Completion, ErrorsInWordsAreShortAndOneLine) {
  EXPECT_EQ(error_in_words(R"({"error":{"message":"no\nsuch model"}})"), "no such model");
  EXPECT_EQ(error_in_words(R"({"error":"plain"})"), "plain");
  EXPECT_EQ(error_in_words("gate\tway\x01"), "gate way ");
  EXPECT_LE(error_in_words(std::string(5000, 'x')).size(), 300u);
}

TEST(Completion, NoPartOfTheKeyStandsInAnError) {
  const std::string key = "sk-1234567890abcdef";
  EXPECT_EQ(error_in_words(R"({"error":"bad )" + key + R"("})", key), "bad [key]");
  EXPECT_EQ(error_in_words(std::string(290, 'x') + key, key).find("sk-"), std::string::npos)
      << "it is not cut in half first";
}

TEST(Completion, AnAnswerThatRepeatsAKeyIsToldFromOneThatHoldsAWord) {
  ChatReply reply;
  reply.text = "Install ollama, then export KEY=sk-1234567890abcdef";
  EXPECT_TRUE(repeats_secret(reply, "sk-1234567890abcdef"));
  EXPECT_FALSE(repeats_secret(reply, "sk-1234567890abcdeX"));
  for (const char* word : {"", "ollama", "sk-1234567890ab"})
    EXPECT_FALSE(repeats_secret(reply, word)) << word;
  reply.text = "an internationalization of 12345678901234567890";
  EXPECT_FALSE(repeats_secret(reply, "internationalization"));
  EXPECT_FALSE(repeats_secret(reply, "12345678901234567890"));
  const std::string body = R"({"model":"m-sk-1234567890abcdef","choices":[{"message":{"content":"x"}}]})";
  EXPECT_EQ(parse_completion(body, "w", "sk-1234567890abcdef").model, "m-[key]");
}

TEST(Completion, TheKeyIsTakenOut) {
  EXPECT_EQ(without_secret("your sk-123456, sk-123456!", "sk-123456"), "your [key], [key]!");
  EXPECT_EQ(without_secret("none of it", "none"), "none of it");
  EXPECT_EQ(without_secret("text", ""), "text");
}

}  // namespace
}  // namespace lora
