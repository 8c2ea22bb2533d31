#include "data/split_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/error.h"
#include "data/chat_jsonl.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

class SplitFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = fs::temp_directory_path() / ("split_files_" + name + "_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string text_of(const fs::path& path) {
    std::stringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
  }

  fs::path folder_;
};

// Rows spelled in many ways; which bytes a part must hold is what is tested.
std::string line_of(int i) {
  const std::string n = std::to_string(i * i + 7), word(1, static_cast<char>('a' + i % 26));
  if (i % 3 == 0)
    return R"({ "messages" : [ {"content":"Wh\u0061t about )" + word + word + n +
           R"(?", "role":"user"}, {"role": "assistant", "content": "No. )" + n + "\"}]}";
  if (i % 7 == 1)
    return R"({"messages":[{"role":"user","content":"Kept aside )" + word + n +
           R"("},{"role":"assistant","content":"x"}],"golden":true})";
  return R"({"instruction":"Tell me of )" + word + n + R"(", "output":"All of )" + n + "\"}";
}

TEST_F(SplitFiles, HoldTheLinesAsTheyStand) {
  std::map<size_t, std::string> lines;
  {
    std::ofstream out(folder_ / "data.jsonl", std::ios::binary);
    for (int i = 0; i < 120; ++i) {
      lines[static_cast<size_t>(i) + 1] = line_of(i) + (i % 5 == 0 ? "\r\n" : "\n");
      out << lines[static_cast<size_t>(i) + 1];
    }
  }
  const Split parts = split(read_rows(folder_ / "data.jsonl").rows, {});
  const SplitRecord record = write_split(folder_ / "data.jsonl", parts, folder_);
  size_t written = 0;
  for (const SplitPart& part : record.parts) {
    std::string expected;
    for (const size_t line : part.lines) expected += lines.at(line);
    EXPECT_EQ(text_of(folder_ / part.file), expected);
    written += part.lines.size();
    for (size_t i = 1; i < part.lines.size(); ++i) EXPECT_LT(part.lines[i - 1], part.lines[i]);
  }
  EXPECT_EQ(written, 120u);
  EXPECT_TRUE(fs::exists(folder_ / "golden.jsonl"));
  EXPECT_EQ(read_rows(folder_ / "test.jsonl").rows.size(), parts.test.size());
  EXPECT_THROW(write_split(folder_ / "data.jsonl", parts, folder_), Error) << "nothing is overwritten";
}

TEST_F(SplitFiles, AFileThatChangedIsRefused) {
  std::ofstream(folder_ / "data.jsonl") << line_of(2) << "\n" << line_of(4) << "\n" << line_of(5) << "\n";
  const Split parts = split(read_rows(folder_ / "data.jsonl").rows, {});
  std::ofstream(folder_ / "data.jsonl") << line_of(2) << "\n";
  EXPECT_THROW(write_split(folder_ / "data.jsonl", parts, folder_), Error);
  EXPECT_FALSE(fs::exists(folder_ / "train.jsonl")) << "no half a split";
}

}  // namespace
}  // namespace lora
