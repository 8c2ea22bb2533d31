#include "train/metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "model/testing.h"

namespace lora {
namespace {

using Json = nlohmann::ordered_json;

class Metrics : public ::testing::Test {
 protected:
  std::vector<Json> lines() const {
    std::ifstream in(path_);
    std::vector<Json> all;
    for (std::string line; std::getline(in, line);) all.push_back(Json::parse(line));
    return all;
  }
  void append(int64_t step, std::optional<double> eval_loss = {}) const {
    MetricsFile(path_).append({.step = step,
                               .epoch = 0.5,
                               .loss = 1.25,
                               .eval_loss = eval_loss,
                               .learning_rate = 2e-4,
                               .grad_norm = 3,
                               .examples = 8,
                               .tokens = 100,
                               .unique_tokens = 60,
                               .supervised_tokens = 20,
                               .seconds = 1.5});
  }
  testing::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "metrics.jsonl";
};

TEST_F(Metrics, ALineHasTheDocumentedKeysInOrder) {
  append(1);
  append(2, 0.75);
  std::vector<std::string> keys;
  const std::vector<Json> written = lines();
  for (const auto& [key, value] : written.at(0).items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"step", "epoch", "loss", "eval_loss", "learning_rate",
                                            "grad_norm", "examples", "tokens", "unique_tokens",
                                            "supervised_tokens", "seconds", "peak_memory_bytes"}));
  EXPECT_TRUE(written[0]["eval_loss"].is_null());
  EXPECT_EQ(written.at(1)["eval_loss"], 0.75);
  EXPECT_EQ(written[1]["learning_rate"], 2e-4);
  EXPECT_GT(written[1]["peak_memory_bytes"], 1 << 20);
}

TEST_F(Metrics, AResumedRunDropsWhatItMakesAgain) {
  for (const int64_t step : {1, 2, 3, 4}) append(step);
  MetricsFile(path_).keep_until(2);
  ASSERT_EQ(lines().size(), 2u);
  EXPECT_EQ(lines().back()["step"], 2);
}

TEST_F(Metrics, ALineThatAKillCutShortIsDropped) {
  append(1);
  std::ofstream(path_, std::ios::app) << R"({"step":2,"epoch":0.)";
  MetricsFile(path_).keep_until(5);
  append(2);
  ASSERT_EQ(lines().size(), 2u);
}

TEST_F(Metrics, NothingToKeepIsFine) {
  MetricsFile(path_).keep_until(3);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(Metrics, AFileThatCannotBeWrittenIsAnError) {
  write_file_atomic(folder_.path() / "file", "x", IfExists::kRefuse);
  try {
    MetricsFile(folder_.path() / "file" / "metrics.jsonl").append({});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMachine);
  }
}

}  // namespace
}  // namespace lora
