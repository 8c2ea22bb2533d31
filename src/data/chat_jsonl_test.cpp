#include "data/chat_jsonl.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

const std::string kGood =
    R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]})";

// A row with these messages, written out.
std::string row_of(const std::string& messages) {
  return R"({"messages": [)" + messages + "]}";
}
const std::string kUser = R"({"role": "user", "content": "u"})";
const std::string kAnswer = R"({"role": "assistant", "content": "a"})";
const std::string kSystem = R"({"role": "system", "content": "s"})";
const std::string kTool = R"({"role": "tool", "content": "t"})";

struct BadFile {
  const char* what;
  std::string text;
  const char* where;
  const char* found;  // parts of the message
  const char* fix;
  RowKind kind = RowKind::kTraining;
};

std::vector<BadFile> bad_files() {
  return {
      // the file
      {"empty", "", "d.jsonl:1:1", "empty", "one example on each line"},
      {"white space only", " \n\n", "d.jsonl:1:1", "empty", ""},
      {"array", "[\n" + kGood + "\n]", "d.jsonl:1:1", "JSON array", "jq -c '.[]' d.jsonl"},
      {"array after blank lines", "\n [{}]", "d.jsonl:2:2", "JSON array", "jq"},
      {"BOM", "\xEF\xBB\xBF" + kGood, "d.jsonl:1:1", "BOM", "tail -c +4"},
      {"UTF-16 with BOM", "\xFF\xFE{\0"s, "d.jsonl:1:1", "UTF-16", "iconv -f UTF-16 -t UTF-8"},
      {"UTF-16 big endian", "\0{\0\""s, "d.jsonl:1:1", "UTF-16", "UTF-16BE"},
      {"UTF-16 little endian", "{\0\"\0"s, "d.jsonl:1:1", "UTF-16", "UTF-16LE"},
      {"UTF-32", "\xFF\xFE\0\0{\0\0\0"s, "d.jsonl:1:1", "UTF-32", "iconv -f UTF-32"},
      {"gzip", "\x1F\x8B\x08"s, "d.jsonl:1:1", "compressed", "Unpack"},
      {"Parquet", "PAR1xxxx", "d.jsonl:1:1", "Parquet", "Convert"},
      {"blank line in the middle", kGood + "\n\n\n" + kGood + "\n", "d.jsonl:2:1", "blank line", "Remove it"},
      {"pretty printed", "{\n  \"messages\": []\n}\n", "d.jsonl:1:2", "the text ends", "on one line"},
      {"line over the cap", kGood + "\n{\"messages\": \"" + std::string(kMaxLineBytes, 'x') + "\"}",
       "d.jsonl:2:1", "bytes", "line of its own"},
      // JSON
      {"unescaped quote",
       kGood + "\n" +
           R"({"messages": [{"role": "user", "content": "é"}, {"role": "assistant", "content": "{"company": "Stripe"}"}]})",
       "d.jsonl:2:84", "unescaped quote", "\\\""},
      {"trailing comma", row_of(kUser + ", " + kAnswer + ","), "d.jsonl:1:86", "trailing comma",
       "Remove the comma"},
      {"single quotes", "{'messages': []}", "d.jsonl:1:2", "single quotes", "double quotes"},
      {"truncated", kGood.substr(0, 30), "d.jsonl:1:31",
       "the text ends where a key in double quotes should stand", "cut off"},
      {"duplicate key", R"({"messages": [], "messages": []})", "d.jsonl:1:18", "\"messages\" stands twice",
       "Remove one"},
      {"not UTF-8", R"({"messages": [{"role": "user", "content": ")" + "\xfc"s + R"("}]})", "d.jsonl:1:44",
       "0xfc", "iconv"},
      {"two on a line", kGood + " " + kGood, "d.jsonl:1:94", "after the end", "line of its own"},
      // the row
      {"not an object", "\"hello\"", "d.jsonl:1:1", "the row is a string", "one object"},
      {"array in a later line", kGood + "\n[]", "d.jsonl:2:1", "the row is an array", "one object"},
      {"ShareGPT", R"({"conversations": [{"from": "human", "value": "Hi"}]})", "d.jsonl:1:2", "ShareGPT",
       "Rename"},
      {"ShareGPT messages", R"({"messages": [{"from": "human", "value": "Hi"}]})", "d.jsonl:1:16", "ShareGPT",
       "human: user"},
      {"Alpaca", R"({"instruction": "x", "input": "", "output": "y"})", "d.jsonl:1:2", "Alpaca",
       "user message"},
      {"prompt and completion", R"({"prompt": "x", "completion": "y"})", "d.jsonl:1:2",
       "prompt and completion", "completion the assistant"},
      {"text", R"({"text": "<|im_start|>"})", "d.jsonl:1:2", "plain text", "chat template"},
      {"no messages", "{}", "d.jsonl:1:1", "without \"messages\"", ""},
      {"unknown key", R"({"messages": [], "wieght": 2})", "d.jsonl:1:18", "unknown key \"wieght\"",
       "Did you mean \"weight\""},
      {"weight beyond floats", R"({"messages": [], "weight": 1e-40})", "d.jsonl:1:28", "weight is 1e-40",
       "1e-6"},
      {"weight zero", R"({"messages": [], "weight": 0})", "d.jsonl:1:28", "weight is 0", "above 0"},
      {"checks no array", R"({"messages": [], "checks": "x"})", "d.jsonl:1:28", "\"checks\" is a string",
       "array"},
      {"tags no array", R"({"messages": [], "tags": "x"})", "d.jsonl:1:26", "\"tags\" is a string", "array"},
      {"tools no array", R"({"tools": {}, "messages": []})", "d.jsonl:1:11", "\"tools\" is an object",
       "array"},
      {"golden no boolean", R"({"golden": 1, "messages": []})", "d.jsonl:1:12", "\"golden\" is a number", ""},
      {"messages no array", R"({"messages": {}})", "d.jsonl:1:14", "\"messages\" is an object", ""},
      {"messages empty", R"({"messages": []})", "d.jsonl:1:14", "\"messages\" is empty", "Add"},
      // a message
      {"message no object", R"({"messages": ["Hi"]})", "d.jsonl:1:15", "a message is a string", ""},
      {"no role", R"({"messages": [{"content": "Hi"}]})", "d.jsonl:1:15", "without \"role\"", "Add it"},
      {"no content", R"({"messages": [{"role": "user"}]})", "d.jsonl:1:15", "without \"content\"", "Add it"},
      {"role no string", R"({"messages": [{"role": 1, "content": "Hi"}]})", "d.jsonl:1:24",
       "\"role\" is a number", ""},
      {"unknown role", R"({"messages": [{"role": "human", "content": "Hi"}]})", "d.jsonl:1:24",
       "unknown role \"human\"", "Write \"user\""},
      {"role in capitals", R"({"messages": [{"role": "User", "content": "Hi"}]})", "d.jsonl:1:24",
       "unknown role \"User\"", ""},
      {"content null", R"({"messages": [{"role": "user", "content": null}]})", "d.jsonl:1:43",
       "\"content\" is null", "remove the message"},
      {"content object", R"({"messages": [{"role": "user", "content": {"a": 1}}]})", "d.jsonl:1:43",
       "\"content\" is an object", "escaped"},
      {"content parts", R"({"messages": [{"role": "user", "content": [{"type": "text"}]}]})", "d.jsonl:1:43",
       "\"content\" is an array", "join the parts"},
      {"unknown message key", R"({"messages": [{"role": "user", "contnet": "x"}]})", "d.jsonl:1:32",
       "unknown key \"contnet\"", "Did you mean \"content\""},
      {"calls no array", R"({"messages": [{"role": "assistant", "tool_calls": "x"}]})", "d.jsonl:1:51",
       "\"tool_calls\" is a string", "array"},
      {"message weight", R"({"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]})",
       "d.jsonl:1:63", "weight is 0.5", "whole row"},
      // the turns
      {"empty answer",
       R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": ""}]})",
       "d.jsonl:1:82", "assistant message without text", "Write the answer"},
      {"blank answer",
       R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": " \n"}]})",
       "d.jsonl:1:82", "assistant message without text", "Write the answer"},
      {"no answer", row_of(kUser), "d.jsonl:1:14", "no message of role \"assistant\"", "Add the answer"},
      {"last is user", row_of(kUser + ", " + kAnswer + ", " + kUser), "d.jsonl:1:97",
       "last message is of role \"user\"", "Add the answer"},
      {"answer first", row_of(kAnswer), "d.jsonl:1:24",
       "out of order: the first message is of role \"assistant\"", ""},
      {"two users", row_of(kUser + ", " + kUser + ", " + kAnswer), "d.jsonl:1:58",
       "out of order: \"user\" after \"user\"", "Join"},
      {"two answers", row_of(kUser + ", " + kAnswer + ", " + kAnswer), "d.jsonl:1:97",
       "\"assistant\" after \"assistant\"", "Join"},
      {"system later", row_of(kUser + ", " + kSystem + ", " + kAnswer), "d.jsonl:1:58",
       "\"system\" after \"user\"", ""},
      {"two systems", row_of(kSystem + ", " + kSystem + ", " + kUser), "d.jsonl:1:60",
       "\"system\" after \"system\"", ""},
      {"tool after user", row_of(kUser + ", " + kTool + ", " + kAnswer), "d.jsonl:1:58",
       "\"tool\" after \"user\"", ""},
      {"prompt of system only", row_of(kSystem), "d.jsonl:1:14", "no message of role \"user\"", "Add",
       RowKind::kPrompt},
  };
}

TEST(ChatJsonl, RefusesBadInputWithPlaceAndRemedy) {
  for (const BadFile& bad : bad_files()) {
    try {
      parse_chat_jsonl(bad.text, "d.jsonl", bad.kind);
      ADD_FAILURE() << bad.what << ": accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput) << bad.what;
      EXPECT_EQ(error.parts().where, bad.where) << bad.what;
      EXPECT_NE(error.parts().found.find(bad.found), std::string::npos) << bad.what << ": " << error.what();
      const std::string remedy = error.parts().expected + " " + error.parts().fix;
      EXPECT_NE(remedy.find(bad.fix), std::string::npos) << bad.what << ": " << error.what();
      EXPECT_GT(remedy.size(), 1u) << bad.what << ": no way out is named";
    }
  }
}

TEST(ChatJsonl, ReadsRows) {
  const std::string text =
      row_of(kSystem + ", " + kUser + ", " + kAnswer + ", " + kTool + ", " + kAnswer) + "\r\n" +
      R"({"golden": true, "messages": [{"content": "\"é\"\n", "role": "user"}, {"role": "assistant", "content": "b"}]})" +
      "\n\n \n";
  const auto rows = parse_chat_jsonl(text, "d", RowKind::kTraining);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].messages.size(), 5u);
  EXPECT_EQ(rows[0].line, 1u);
  EXPECT_FALSE(rows[0].golden);
  EXPECT_EQ(rows[1].line, 2u);
  EXPECT_TRUE(rows[1].golden);
  EXPECT_EQ(rows[1].messages[0].content, "\"é\"\n");
  EXPECT_EQ(rows[1].messages[1].role, "assistant");
}

TEST(ChatJsonl, PromptsMayEndInAUserTurn) {
  EXPECT_EQ(parse_chat_jsonl(row_of(kUser), "d", RowKind::kPrompt).size(), 1u);
  EXPECT_EQ(parse_chat_jsonl(kGood, "d", RowKind::kPrompt).size(), 1u);
}

class ChatJsonlFile : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("lora_chat_jsonl_test." + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  fs::path dir_;
};

TEST_F(ChatJsonlFile, WhatIsWrittenIsReadBack) {
  std::vector<Conversation> rows = parse_chat_jsonl(
      kGood + "\n" + row_of(kSystem + ", " + kUser + ", " + kAnswer), "d", RowKind::kTraining);
  rows[1].golden = true;
  rows[0].messages[0].content = "tab\t quote\" back\\slash \u2028 😀 \x01";
  write_chat_jsonl(dir_ / "out.jsonl", rows);
  EXPECT_EQ(read_chat_jsonl(dir_ / "out.jsonl"), rows);
  EXPECT_THROW(write_chat_jsonl(dir_ / "out.jsonl", rows), Error) << "nothing is overwritten unasked";
  rows[0].messages[0].content = "\xff";
  EXPECT_THROW(write_chat_jsonl(dir_ / "bad.jsonl", rows), Error);
  EXPECT_FALSE(fs::exists(dir_ / "bad.jsonl"));
}

TEST_F(ChatJsonlFile, NamesTheFile) {
  std::ofstream(dir_ / "x.jsonl") << kGood << "\n{}\n";
  try {
    read_prompts_jsonl(dir_ / "x.jsonl");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.parts().where, (dir_ / "x.jsonl").string() + ":2:1");
  }
  EXPECT_THROW(read_chat_jsonl(dir_ / "none.jsonl"), Error);
}

TEST(ChatJsonl, TheBundledExampleIsFlawless) {
  const fs::path dir = fs::path(LORA_SOURCE_DIR) / "examples/json-extraction";
  EXPECT_EQ(read_chat_jsonl(dir / "data.jsonl").size(), 300u);
  const auto golden = read_chat_jsonl(dir / "golden.jsonl");
  EXPECT_EQ(golden.size(), 10u);
  for (const Conversation& row : golden) EXPECT_TRUE(row.golden);
}

}  // namespace
}  // namespace lora
