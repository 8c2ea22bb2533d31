// Which folders an evaluation may have, and what it finds there of one that was stopped.
#include "run/evaluation_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

class EvaluationFolderTest : public testing::Test {
 protected:
  EvaluationFolderTest() {
    std::string path = (fs::temp_directory_path() / "evaluation_folder_XXXXXX").string();
    above_ = ::mkdtemp(path.data());
    folder_ = above_ / "out";
  }
  ~EvaluationFolderTest() override { fs::remove_all(above_); }

  void write(const std::string& name, const std::string& text = "{}\n") const {
    std::ofstream(folder_ / name) << text;
  }
  bool holds(const std::string& name) const { return fs::exists(folder_ / name); }
  // As an evaluation that is stopped at once: the lock goes with it.
  void take(const EvaluationIdentity& identity) const {
    require_evaluation_folder(folder_);
    const FolderLock lock = open_evaluation_folder(folder_, identity);
  }
  std::string refusal(const EvaluationIdentity& identity) const {
    try {
      take(identity);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
    return {};
  }

  fs::path above_, folder_;
  const EvaluationIdentity one_{"base", "adapter", "rows", 0}, other_{"base", "another", "rows", 0};
};

TEST_F(EvaluationFolderTest, OneThatWasStoppedIsGoneOnWithByTheSameAlone) {
  take(one_);
  for (const char* name : {"answers.jsonl", "summary.json", "judge.json", "endpoints.json", "timing.json"})
    write(name);
  fs::create_directory(folder_ / "endpoint_cache");
  write("endpoint_cache/0123.json");
  EXPECT_NE(refusal(other_).find("another base or adapter"), std::string::npos);
  EXPECT_TRUE(holds("judge.json"));
  take(one_);
  EXPECT_TRUE(holds("judge.json") && holds("summary.json")) << "until there is something in its place";
  clear_old_results(folder_);
  EXPECT_TRUE(holds("answers.jsonl") && holds("endpoint_cache/0123.json") && holds("unfinished.json"));
  EXPECT_FALSE(holds("judge.json") || holds("endpoints.json") || holds("timing.json") ||
               holds("summary.json"));
}

TEST_F(EvaluationFolderTest, AWholeOneIsNotOverwritten) {
  take(one_);
  write("answers.jsonl");
  finish_evaluation_folder(folder_);
  EXPECT_FALSE(holds("unfinished.json"));
  EXPECT_NE(refusal(one_).find("not empty"), std::string::npos);
}

TEST_F(EvaluationFolderTest, WithoutResultsAnyoneMayHaveIt) {
  take(one_);
  fs::create_directory(folder_ / "endpoint_cache");
  write("timing.json");
  take(other_);
  write("answers.jsonl");
  take(other_);
}

TEST_F(EvaluationFolderTest, WhatIsNotItsOwnIsLeftAlone) {
  take(one_);
  write("thesis.txt", "mine");
  EXPECT_NE(refusal(one_).find("not empty: it holds thesis.txt"), std::string::npos);
  EXPECT_TRUE(holds("thesis.txt"));
}

// Each changes what local answers rest on. A page for people to vote on is ours.
TEST_F(EvaluationFolderTest, WhatAnswersRestOnIsItsIdentity) {
  take(one_);
  write("answers.jsonl");
  write("review.html");
  EvaluationIdentity text = one_, packed = one_, precise = one_, longer = one_;
  text.text = "another template";
  packed.base_quantization = "bitsandbytes nf4";
  precise.float32_matmul_precision = "medium";
  longer.max_new_tokens = 9;
  for (const EvaluationIdentity& other : {text, packed, precise, longer})
    EXPECT_FALSE(refusal(other).empty());
  take(one_);
}

TEST_F(EvaluationFolderTest, ARecordThatIsTornIsNotBelieved) {
  take(one_);
  write("answers.jsonl");
  for (const char* text : {"", "{", "[]", "{\"format\":1}"}) {
    write("unfinished.json", text);
    EXPECT_FALSE(refusal(one_).empty()) << text;
  }
}

TEST_F(EvaluationFolderTest, WhatAKillLeftHalfWrittenGoes) {
  take(one_);
  const std::string left = "answers.jsonl.tmp.999999999";  // no process has that number
  write(left, "{\"id\":");
  take(one_);
  EXPECT_FALSE(holds(left));
}

}  // namespace
}  // namespace lora
