#include "judging/config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

class JudgingConfigTest : public testing::Test {
 protected:
  JudgingConfigTest() {
    std::string path = (fs::temp_directory_path() / "judging_XXXXXX").string();
    folder_ = ::mkdtemp(path.data());
  }
  ~JudgingConfigTest() override { fs::remove_all(folder_); }
  JudgingConfig read(const std::string& text) const {
    std::ofstream(folder_ / "c.toml") << text;
    return read_judging_toml(folder_ / "c.toml");
  }
  std::string refusal(const std::string& text) const {
    try {
      read(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  fs::path folder_;
};

TEST_F(JudgingConfigTest, EveryKey) {
  const JudgingConfig config = read(R"(
learning_rate = 1e-4
endpoint_cache_dir = "cache"
[judge]
base_url = "https://host/v1"
model = "big"
api_key_env = "KEY"
concurrency = 8
timeout_s = 30
max_retries = 2
price_per_million_input = 3
price_per_million_output = 15.5
temperature = "default"
max_tokens = 900
max_tokens_field = "max_completion_tokens"
mode = "rubric"
rubric = "Brevity."
criteria = ["truth"]
show_reference = false
decides = true
against = ["base"]
controls = 10
[[contestant]]
base_url = "http://localhost:8080/v1"
model = "a"
[[contestant]]
name = "b"
base_url = "http://localhost:8080/v1"
model = "a"
max_tokens = 0
temperature = 1
)");
  ASSERT_TRUE(config.judge);
  EXPECT_EQ(config.cache_dir, "cache");
  EXPECT_EQ(config.judge->endpoint.concurrency, 8);
  EXPECT_EQ(config.judge->endpoint.price_per_million_output, 15.5);
  EXPECT_FALSE(config.judge->endpoint.temperature);
  EXPECT_EQ(config.judge->rubric.mode, JudgeMode::kRubric);
  EXPECT_EQ(config.judge->rubric.criteria, std::vector<std::string>{"truth"});
  EXPECT_FALSE(config.judge->rubric.show_reference);
  EXPECT_TRUE(config.judge->decides);
  ASSERT_EQ(config.contestants.size(), 2u);
  EXPECT_EQ(config.contestants[0].name, "a");
  EXPECT_FALSE(config.contestants[0].limits_tokens);
  EXPECT_TRUE(config.contestants[1].limits_tokens);
  EXPECT_EQ(config.contestants[1].endpoint.temperature, 1);
}

TEST_F(JudgingConfigTest, WithoutTheTablesThereIsNothing) {
  EXPECT_FALSE(read("model = \"x\"\n").any());
}

TEST_F(JudgingConfigTest, WhatCannotBe) {
  const std::string judge = "[judge]\nbase_url = \"https://h/v1\"\nmodel = \"m\"\n";
  const std::string contestant = "[[contestant]]\nbase_url = \"https://h/v1\"\nmodel = \"m\"\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"judge = 5", "no table"},
      {"[judge]\nmodel = \"m\"", "has no base_url"},
      {"[contestant]\nmodel = \"m\"", "[[contestant]]"},
      {judge + "api_key = \"sk-1\"", "never stands in a file"},
      {judge + "consurrency = 1", "\"concurrency\""},
      {judge + "concurrency = 1.5", "no whole number"},
      {judge + "max_retries = -1", "no whole number"},
      {judge + "decides = \"yes\"", "true or false"},
      {judge + "criteria = [\"a: b\"]", "colon"},
      {judge + "criteria = [1]", "array of strings"},
      {judge + "controls = 2", "from 6"},
      {contestant + "name = \"tuned\"", "one of lora's own"},
      {contestant + contestant, "two contestants are named"},
      {contestant + "rubric = \"x\"", "[[contestant]] has no key"},
      {"[judge", "not TOML"}};
  for (const auto& [text, said] : cases)
    EXPECT_NE(refusal(text).find(said), std::string::npos) << text << "\n" << refusal(text);
  EXPECT_NE(refusal(judge + "mode = \"x\"").find("c.toml:4:8"), std::string::npos);
}

TEST_F(JudgingConfigTest, AdaptersAndCheckpointsAreContestants) {
  const JudgingConfig config = read(
      "[[contestant]]\nadapter = \"outputs/first/adapter\"\n"
      "[[contestant]]\nadapter = \"outputs/x/checkpoints/step-30/\"\nname = \"x at 30\"\n"
      "[[contestant]]\ncheckpoint = \"step-20\"\n"
      "[[contestant]]\ncheckpoint = \"last\"\n");
  ASSERT_EQ(config.contestants.size(), 4u);
  EXPECT_EQ(config.contestants[0].name, "first");
  EXPECT_FALSE(config.contestants[0].is_endpoint());
  EXPECT_EQ(config.contestants[1].name, "x at 30");
  EXPECT_EQ(config.contestants[2].name, "step-20");
  EXPECT_EQ(config.contestants[3].name, "last");
  EXPECT_NE(config.contestants[2].place.find("c.toml:6:1"), std::string::npos) << config.contestants[2].place;
  EXPECT_NO_THROW(check_endpoints(config)) << "none is asked over the network";
  EXPECT_EQ(read("[[contestant]]\ncheckpoint = \"all\"\n").contestants[0].checkpoint, "all");
  EXPECT_EQ(checkpoint_step("step-30"), 30);
  for (const char* word : {"step-", "step-0", "step-03", "step-3x", "step--3", "30", "last"})
    EXPECT_FALSE(checkpoint_step(word)) << word;
}

TEST_F(JudgingConfigTest, LocalContestantsThatCannotBe) {
  const std::string begin = "[[contestant]]\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {begin + "adapter = \"a\"\ncheckpoint = \"last\"", "both given"},
      {begin + "adapter = \"a\"\nbase_url = \"http://x/v1\"", "has no key \"base_url\""},
      {begin + "adapter = \"base\"", "one of lora's own"},
      {begin + "adapter = \"a\"\nname = \"step-3\"", "as checkpoints of the run are"},
      {begin + "adapter = \"out/checkpoints/step-3\"", "as checkpoints of the run are"},
      {begin + "checkpoint = \"best\"", "\"step-30\", \"last\" or \"all\""},
      {begin + "checkpoint = \"last\"\nname = \"x\"", "called by its step"},
      {begin + "checkpoint = \"last\"\n" + begin + "checkpoint = \"all\"", "\"all\" alone"},
      {begin + "checkpoint = \"all\"\n" + begin + "checkpoint = \"step-3\"", "\"all\" alone"},
      {begin + "adapter = \"b/a\"\n" + begin + "adapter = \"c/a\"", "two contestants are named"}};
  for (const auto& [text, said] : cases)
    EXPECT_NE(refusal(text).find(said), std::string::npos) << text << "\n" << refusal(text);
}

TEST_F(JudgingConfigTest, AJudgeWithoutAnAddressIsALocalModel) {
  std::ofstream(folder_ / "judge.gguf") << "x";
  const std::string judge = "[judge]\nmodel = \"" + (folder_ / "judge.gguf").string() + "\"\n";
  const JudgingConfig config = read(judge + "max_tokens = 100\ncontrols = 10\n");
  ASSERT_TRUE(config.judge);
  EXPECT_TRUE(config.judge->is_local());
  EXPECT_EQ(config.judge->endpoint.max_tokens, 100);
  EXPECT_NO_THROW(check_endpoints(config));
  EXPECT_NE(refusal(judge + "api_key_env = \"X\"").find("[judge] without base_url has no key"),
            std::string::npos);
  EXPECT_NE(refusal(judge + "temperature = 1").find("[judge] without base_url has no key"),
            std::string::npos);
  EXPECT_EQ(read(judge + "mode = \"rubric\"\n").judge->rubric.mode, JudgeMode::kRubric);
  EXPECT_NE(refusal(judge + "mode = \"rubric\"\ncriteria = [\"truth\"]").find("only repeat itself"),
            std::string::npos);
  EXPECT_NE(refusal("[judge]\nmodel = \"gpt-4o\"").find("there is no file or folder"), std::string::npos);
}

TEST_F(JudgingConfigTest, EndpointsAreCheckedWithoutTheNetwork) {
  const std::string judge = "[judge]\nbase_url = \"https://192.0.2.1/v1\"\nmodel = \"m\"\n";
  EXPECT_NO_THROW(check_endpoints(read(judge)));
  EXPECT_THROW(check_endpoints(read(judge + "api_key_env = \"LORA_SURELY_NOT_SET\"")), Error);
  EXPECT_THROW(check_endpoints(read(judge + "temperature = 9")), Error);
}

}  // namespace
}  // namespace lora
