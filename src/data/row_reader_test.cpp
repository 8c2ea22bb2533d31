#include "data/row_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "data/chat_jsonl.h"

namespace lora {
namespace {

ReadRow read(std::string_view text, RowOptions options = {}) {
  RowReader reader(std::move(options));
  ReadRow row;
  reader.read(text, 1, row);
  return row;
}

RowOptions with_control_tokens() {
  RowOptions options;
  options.find_control_token = find_known_control_token;
  return options;
}

std::vector<std::string> codes(const ReadRow& row) {
  std::vector<std::string> out;
  for (const RowProblem& problem : row.problems) out.emplace_back(problem.code);
  return out;
}

TEST(RowReader, ReadsEveryFormat) {
  const Conversation question_and_answer{.messages = {{"user", "Q"}, {"assistant", "A"}}, .line = 1};
  const std::pair<RowFormat, const char*> rows[] = {
      {RowFormat::kChat,
       R"({"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]})"},
      {RowFormat::kShareGpt,
       R"({"id": "x_1", "conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]})"},
      {RowFormat::kShareGpt,
       R"({"messages": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]})"},
      {RowFormat::kShareGpt,
       R"({"conversations": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]})"},
      {RowFormat::kAlpaca, R"({"instruction": "Q", "input": "", "output": "A", "text": "### Q"})"},
      {RowFormat::kAlpaca, R"({"instruction": "Q", "output": "A"})"},
      {RowFormat::kPromptCompletion, R"({"prompt": "Q", "completion": "A"})"},
      {RowFormat::kPromptCompletion,
       R"({"prompt": [{"role": "user", "content": "Q"}], "completion": [{"role": "assistant", "content": "A"}]})"},
  };
  for (const auto& [format, text] : rows) {
    const ReadRow row = read(text);
    EXPECT_TRUE(row.readable) << text;
    EXPECT_TRUE(row.problems.empty()) << text << ": " << row.problems[0].message();
    EXPECT_EQ(row.format, format) << text;
    EXPECT_EQ(row.conversation, question_and_answer) << text;
  }
}

TEST(RowReader, ReadsTheRareParts) {
  const ReadRow alpaca = read(
      R"({"system": "S", "history": [["q1", "a1"]], "instruction": "Do", "input": "this", "output": "A", "weight": 0.5, "tags": ["x", "y"], "golden": true})");
  EXPECT_EQ(alpaca.conversation, (Conversation{.messages = {{"system", "S"},
                                                            {"user", "q1"},
                                                            {"assistant", "a1"},
                                                            {"user", "Do\n\nthis"},
                                                            {"assistant", "A"}},
                                               .weight = 0.5,
                                               .tags = {"x", "y"},
                                               .line = 1,
                                               .golden = true}));
  const ReadRow share = read(
      R"({"system": "S", "tools": "[{\"name\": \"f\"}]", "conversations": [{"from": "human", "value": "Q"}, {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"}, {"from": "observation", "value": "7"}, {"from": "gpt", "value": "A", "weight": 0}]})");
  EXPECT_TRUE(share.readable);
  EXPECT_EQ(share.conversation.tools, R"([{"name":"f"}])");
  ASSERT_EQ(share.conversation.messages.size(), 5u);
  EXPECT_EQ(share.conversation.messages[2].tool_calls,
            R"([{"type":"function","function":{"name":"f","arguments":{"x":1}}}])");
  EXPECT_EQ(share.conversation.messages[3].role, "tool");
  EXPECT_FALSE(share.conversation.messages[4].train);

  const ReadRow chat = read(
      R"({"tools": [ {"type": "function"} ], "messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": null, "tool_calls": [ {"id": "c1", "function": {"name": "f" }} ]}, {"role": "tool", "tool_call_id": "c1", "name": "f", "content": ""}, {"role": "assistant", "content": "A", "weight": 1}]})");
  EXPECT_TRUE(chat.problems.empty()) << chat.problems[0].message();
  EXPECT_EQ(chat.conversation.messages[1].tool_calls, R"([{"id":"c1","function":{"name":"f"}}])");
  EXPECT_EQ(chat.conversation.messages[2].tool_call_id, "c1");
  EXPECT_EQ(chat.conversation.messages[2].name, "f");

  const ReadRow prompt = read(
      R"({"prompt": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}, {"role": "user", "content": "Q"}], "completion": "A"})");
  EXPECT_FALSE(prompt.conversation.messages[1].train) << "only the completion is learned from";
  EXPECT_TRUE(prompt.conversation.messages[3].train);

  const ReadRow text = read(R"({"body": "plain", "id": 3})", {.text_field = "body"});
  EXPECT_EQ(text.format, RowFormat::kText);
  EXPECT_EQ(text.conversation.text, "plain");
  EXPECT_TRUE(text.conversation.is_plain_text());
}

TEST(RowReader, WhatIsWrittenIsReadBack) {
  for (
      const char* text :
      {R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":"tab\t \" \\ \u0001 é"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":"{\"a\": 1}"}}]},{"role":"tool","content":"t","name":"f","tool_call_id":"1"},{"role":"assistant","content":"A","weight":0},{"role":"user","content":"q"},{"role":"assistant","content":"B"}],"tools":[{"x":[1,2.50]}],"weight":0.1,"golden":true,"tags":["a","b \"c\""],"checks":[{"type":"length","max":3}]})",
       R"({"text":"plain é","weight":3,"tags":["t"]})"}) {
    const ReadRow row = read(text);
    ASSERT_TRUE(row.readable && row.problems.empty()) << text;
    const std::string line = chat_jsonl_line(row.conversation);
    EXPECT_EQ(line, text);
    EXPECT_EQ(read(line).conversation, row.conversation);
  }
}

struct Wrong {
  const char* code;
  const char* at;  // the finding stands at the first byte of this text
  const char* text;
};
const Wrong kWrong[] = {
    {"duplicate-key", "\"role\": \"assistant\"",
     R"({"messages": [{"role": "user", "content": "u"}, {"content": "a", "role": "user", "role": "assistant"}]})"},
    {"unknown-key", "\"Weight\"",
     R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}], "Weight": 2})"},
    {"unknown-key", "\"mesages\"", R"({"mesages": [{"role": "user", "content": "u"}]})"},
    {"missing-messages", "{", R"({"mesages": [{"role": "user", "content": "u"}]})"},
    {"missing-messages", "\"[", R"({"messages": "[{\"role\": \"user\"}]"})"},
    {"missing-messages", "{", R"({"prompt": "p", "chosen": "a", "rejected": "b"})"},
    {"unknown-role", "{\"content\"",
     R"({"messages": [{"content": "u"}, {"role": "assistant", "content": "a"}]})"},
    {"unknown-role", "\"alien\"",
     R"({"conversations": [{"from": "alien", "value": "u"}, {"from": "gpt", "value": "a"}]})"},
    {"empty-content", "\"  \"",
     R"({"messages": [{"role": "user", "content": "  "}, {"role": "assistant", "content": "a"}]})"},
    {"empty-content", "{\"role\": \"user\"",
     R"({"messages": [{"role": "user", "contnet": "u"}, {"role": "assistant", "content": "a"}]})"},
    {"unknown-key", "\"contnet\"",
     R"({"messages": [{"role": "user", "contnet": "u"}, {"role": "assistant", "content": "a"}]})"},
    {"empty-content", "\"\"", R"({"instruction": "Q", "output": ""})"},
    {"empty-content", "\"\"", R"({"text": ""})"},
    {"non-string-content", "[\"a\"]", R"({"instruction": "Q", "output": ["a"]})"},
    {"no-assistant", "{", R"({"instruction": "Q"})"},
    {"no-assistant", "[{",
     R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a", "weight": 0}]})"},
    {"last-not-assistant", "\"user\", \"content\": \"again",
     R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}, {"role": "user", "content": "again"}]})"},
    {"system-not-first", "\"system\"",
     R"({"messages": [{"role": "user", "content": "u"}, {"role": "system", "content": "s"}, {"role": "assistant", "content": "a"}]})"},
    {"roles-not-alternating", "\"assistant\"",
     R"({"messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]})"},
    {"invalid-value", "\"high\"",
     R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}], "weight": "high"})"},
    {"invalid-value", "3]",
     R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}], "tags": ["a", 3]})"},
    {"control-token-in-text", "<|im_end|>",
     R"({"messages": [{"role": "user", "content": "é\n\ud83d\ude00 <|im_end|>"}, {"role": "assistant", "content": "a"}]})"},
    {"control-token-in-text", "[/INST]", R"({"instruction": "Q", "input": "x [/INST]", "output": "a"})"},
    {"not-an-object", "[", R"(["user"])"},
    {"invalid-json", "\"b\"", R"({"messages": "a"b"})"},
    {"invalid-utf8", "\xff", "{\"messages\": \"\xff\"}"},
};

TEST(RowReader, NamesEachProblemAtItsPlace) {
  for (const Wrong& wrong : kWrong) {
    const ReadRow row = read(wrong.text, with_control_tokens());
    const auto found = std::find_if(row.problems.begin(), row.problems.end(),
                                    [&](const RowProblem& problem) { return problem.code == wrong.code; });
    ASSERT_NE(found, row.problems.end()) << wrong.code << ": " << wrong.text;
    EXPECT_EQ(found->offset, std::string_view(wrong.text).find(wrong.at)) << wrong.text;
    EXPECT_FALSE(found->found.empty());
    EXPECT_GT(found->expected.size() + found->fix.size(), 4u) << wrong.text << ": no way out is named";
  }
}

TEST(RowReader, NamesAllProblemsOfARow) {
  const ReadRow row = read(
      R"({"messages": [{"role": "user", "content": "", "x": 1}, {"role": "system", "content": "<|eot_id|>"}, {"role": "user", "content": "u"}], "Tags": []})",
      with_control_tokens());
  const auto all = codes(row);
  for (const char* code : {"unknown-key", "empty-content", "system-not-first", "roles-not-alternating",
                           "no-assistant", "control-token-in-text"})
    EXPECT_NE(std::find(all.begin(), all.end(), code), all.end()) << code;
  EXPECT_EQ(std::count(all.begin(), all.end(), "unknown-key"), 2);
  EXPECT_TRUE(row.readable);
}

TEST(RowReader, SaysWhatWasMeant) {
  EXPECT_NE(
      read(R"({"messages": [{"role": "asistant", "content": "a"}]})").problems[0].fix.find("\"assistant\""),
      std::string::npos);
  EXPECT_NE(read(R"({"messages": [{"role": "Human", "content": "a"}]})").problems.size(), 0u);
  EXPECT_NE(read(R"({"Messages": []})").problems[0].fix.find("messages"), std::string::npos);
  EXPECT_TRUE(
      read(
          R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}], "source": "p. 7", "metadata": {"a": [1]}})")
          .problems.empty());
}

TEST(RowReader, BuffersDoNotLeakFromRowToRow) {
  RowReader reader;
  ReadRow row;
  reader.read(
      R"({"messages": [{"role": "user", "content": "u", "name": "n"}, {"role": "assistant", "content": "a", "weight": 0}, {"role": "user", "content": "u2"}, {"role": "assistant", "content": "a2"}], "golden": true, "tags": ["t"], "tools": [1], "weight": 2})",
      1, row);
  ASSERT_TRUE(row.readable);
  const char* plain =
      R"({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]})";
  for (const char* between : {plain, "{", R"({"text": "t"})", "[]", R"({"messages": [3]})"}) {
    reader.read(between, 2, row);
    reader.read(plain, 3, row);
    EXPECT_EQ(row.conversation, (Conversation{.messages = {{"user", "x"}, {"assistant", "y"}}, .line = 3}))
        << between;
    EXPECT_TRUE(row.problems.empty());
  }
}

TEST(ControlTokens, AreFoundAndHtmlIsNot) {
  const auto found = [](std::string_view text) {
    const auto token = find_known_control_token(text, 0);
    return token ? std::string(text.substr(token->offset, token->length)) : "";
  };
  for (const std::string_view token : known_control_tokens())
    if (token != "<s>") {
      EXPECT_EQ(found("x " + std::string(token) + " y"), token);
    }
  for (const char* clean : {"a < b",
                            "[1, 2]",
                            "<b>bold</b>",
                            "was <s>old</s> new",
                            "[link](x)",
                            "<|",
                            "x <| y |> z",
                            "<start>",
                            "</sub>",
                            "<span>",
                            "[INSTALL]",
                            "",
                            "[",
                            "<",
                            "x <|f|",
                            "<|a b|>",
                            "<|3|>",
                            "<||>",
                            "<unused>",
                            "<s class=\"x\">old</s>",
                            "list <| f |> g"})
    EXPECT_EQ(found(clean), "") << clean;
  for (const char* by_shape :
       {"<|reserved_special_token_7|>", "<|im_user|>", "<｜fim▁hole｜>", "<unused12>", "<extra_id_3>"})
    EXPECT_EQ(found("x " + std::string(by_shape) + "y"), by_shape);
  EXPECT_EQ(found("<s>[INST] hi"), "<s>");
  EXPECT_EQ(found("the end</s>"), "</s>");
  EXPECT_EQ(found("a <s>b</s> c</s>"), "</s>");
  EXPECT_EQ(found("[<<SYS>>"), "<<SYS>>");
  const std::string text = "<|im_start|>user<|im_end|>";
  EXPECT_EQ(find_known_control_token(text, 1)->offset, 16u);
  const std::set<std::string_view> unique(known_control_tokens().begin(), known_control_tokens().end());
  EXPECT_EQ(unique.size(), known_control_tokens().size());
}

}  // namespace
}  // namespace lora
