#include "data/mend.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "data/convert.h"
#include "data/doctor.h"
#include "data/json_tape.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

std::string row(const std::string& question, const std::string& answer = "a") {
  return R"({"messages": [{"role": "user", "content": ")" + question +
         R"("}, {"role": "assistant", "content": ")" + answer + "\"}]}";
}

class Mend : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("lora_mend_test." + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  // The mended text; the report goes to `report_`.
  std::string mend(const std::string& text, MendOptions options = {}) {
    LineSource source(text, "d.jsonl");
    const fs::path path = dir_ / ("out" + std::to_string(++outputs_));
    OutputFile out(path);
    report_ = mend_data(source, options, out);
    EXPECT_FALSE(fs::exists(path)) << "before commit()";
    out.commit();
    return read_file(path);
  }
  size_t errors_in(const std::string& text) {
    LineSource source(text, "d.jsonl");
    return check_data(source, {}).summary.errors;
  }

  fs::path dir_;
  MendReport report_;
  int outputs_ = 0;
};

const std::string kBroken =
    R"({"messages": [{"role": "user", "content": "say "hi""}, {"role": "assistant", "content": "hi"}]})";
const std::string kMended =
    R"({"messages": [{"role": "user", "content": "say \"hi\""}, {"role": "assistant", "content": "hi"}]})";

TEST_F(Mend, ChangesOnlyWhatHasOneRepair) {
  const std::string unknown = R"({"messages": 3})", half = R"({"messages": [{"role)";
  const std::string out = mend("\xEF\xBB\xBF" + row("one") + "\n\n" + kBroken + "\r\n" + unknown + "\n  \n" +
                               row("one") + "\n" + half + "\n" + row("two") + "\r\n" + kMended);
  EXPECT_EQ(out, row("one") + "\n" + kMended + "\r\n" + unknown + "\n" + half + "\n" + row("two") + "\r\n");
  EXPECT_EQ(report_.rows_written, 5u);
  EXPECT_EQ(report_.rows_left, 2u);
  std::vector<size_t> lines;
  for (const MendChange& change : report_.changes) lines.push_back(change.line);
  EXPECT_EQ(lines, (std::vector<size_t>{1, 2, 3, 5, 6, 9}));
  EXPECT_EQ(report_.changes[2].what, "2 quotes escaped");
  EXPECT_NE(report_.changes[2].was.find("say \"hi\"\""), std::string::npos) << report_.changes[2].was;
  EXPECT_NE(report_.changes[2].now.find("say \\\"hi\\\"\""), std::string::npos) << report_.changes[2].now;
  const std::string words = mend_in_words(report_, "d.jsonl", "out.jsonl");
  EXPECT_NE(words.find("d.jsonl:3: 2 quotes escaped"), std::string::npos) << words;
  EXPECT_NE(words.find("5 rows written, 6 changes; 2 rows left"), std::string::npos) << words;
}

TEST_F(Mend, WhatWasMendedIsValid) {
  EXPECT_EQ(errors_in(kBroken), 1u);
  EXPECT_EQ(errors_in(mend(kBroken)), 0u);
  EXPECT_EQ(mend(row("x") + "\n"), row("x") + "\n");
  EXPECT_EQ(report_.changed, 0u);
  EXPECT_EQ(mend(""), "");
}

TEST_F(Mend, WritesArraysAndSpreadRowsAsLines) {
  const std::string flat =
      R"({"messages":[{"role":"user","content":"a  b"},{"role":"assistant","content":"c"}]})";
  const std::string pretty =
      "{\n  \"messages\": [\n    {\"role\": \"user\", \"content\": \"a  b\"},\n"
      "    {\"role\": \"assistant\", \"content\": \"c\"}\n  ]\n}\n";
  EXPECT_EQ(mend("[" + row("one") + ",\n " + pretty + "]"),
            R"({"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"a"}]})"
            "\n" +
                flat + "\n");
  EXPECT_EQ(mend(pretty + "\n" + pretty.substr(0, 2) + "\"id\": 1," + pretty.substr(2)), flat + "\n")
      << "the second is the same conversation";
  EXPECT_EQ(report_.changes[0].kind, MendChange::Kind::kLayout);
}

TEST_F(Mend, WritesWhatStandsBehindAnArray) {
  const std::string one = compact_json(row("one")), two = compact_json(row("two"));
  EXPECT_EQ(mend("[" + row("one") + "]\n[" + row("two") + "] rest\n" + row("three")),
            one + "\n" + two + "\nrest\n" + compact_json(row("three")) + "\n");
  EXPECT_EQ(report_.rows_left, 1u);
}

TEST_F(Mend, WritesLinesThatEndWithACarriageReturn) {
  EXPECT_EQ(mend(row("one") + "\r" + row("two") + "\r\r" + row("three")),
            row("one") + "\n" + row("two") + "\n" + row("three") + "\n");
  ASSERT_EQ(report_.changes.size(), 2u);
  EXPECT_EQ(report_.changes[0].kind, MendChange::Kind::kLayout);
  EXPECT_EQ(report_.changes[1].line, 3u);
}

TEST_F(Mend, RepairsEncodingsByTheFunctionGiven) {
  MendOptions options;
  options.repair_text = [](std::string_view text) -> std::optional<std::string> {
    const size_t at = text.find("Ã©");
    if (at == std::string_view::npos) return std::nullopt;
    return std::string(text.substr(0, at)) + "é" + std::string(text.substr(at + 4));
  };
  EXPECT_EQ(mend(row("the cafÃ© \\\"x\\\"") + "\n", options), row("the café \\\"x\\\"") + "\n");
  ASSERT_EQ(report_.changes.size(), 1u);
  EXPECT_EQ(report_.changes[0].kind, MendChange::Kind::kEncoding);
}

TEST_F(Mend, NothingIsOverwrittenOrLeftHalf) {
  std::ofstream(dir_ / "mine") << "mine";
  EXPECT_THROW(OutputFile(dir_ / "mine"), Error);
  {
    OutputFile abandoned(dir_ / "half");
    abandoned.write("x");
  }
  OutputFile late(dir_ / "late");
  late.write("x");
  std::ofstream(dir_ / "late") << "mine";
  EXPECT_THROW(late.commit(), Error);
  EXPECT_EQ(read_file(dir_ / "late"), "mine");
  EXPECT_THROW(OutputFile(dir_ / "no" / "folder"), Error);
  EXPECT_FALSE(fs::exists(dir_ / "half"));
}

TEST_F(Mend, ConvertsEveryFormat) {
  LineSource source(
      "{\"instruction\": \"Q\", \"output\": \"A\"}\n{\"prompt\": \"Q\", \"completion\": \"A\"}\n\n{\"text\": "
      "\"plain\"}\nbroken\n"
      "{\"conversations\": [{\"from\": \"human\", \"value\": \"Q\"}, {\"from\": \"gpt\", \"value\": "
      "\"A\"}]}\n",
      "d.jsonl");
  OutputFile out(dir_ / "converted");
  const ConvertReport report = convert_data(source, {}, out);
  out.commit();
  const std::string chat =
      R"({"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]})"
      "\n";
  EXPECT_EQ(read_file(dir_ / "converted"), chat + chat + "{\"text\":\"plain\"}\n" + chat);
  EXPECT_EQ(report.rows_written, 4u);
  EXPECT_EQ(report.lines_left_out, std::vector<size_t>{5});
  EXPECT_NE(convert_in_words(report, "o").find("every token is learned from"), std::string::npos);
  EXPECT_NE(convert_in_words(report, "o").find("line 5"), std::string::npos);
}

}  // namespace
}  // namespace lora
