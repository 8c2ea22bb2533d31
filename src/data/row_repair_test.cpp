#include "data/row_repair.h"

#include <gtest/gtest.h>

#include "data/json_reader.h"

namespace lora {
namespace {

struct Case {
  const char* what;
  std::string broken;
  std::string mended;  // empty: no repair, or more than one
};

const Case kCases[] = {
    {"the guide's row",
     R"({"messages":[{"role":"user","content":"Extract the company info: Stripe was founded in 2010."},{"role":"assistant","content":"{"company": "Stripe", "founding_year": 2010}"}]})",
     R"({"messages":[{"role":"user","content":"Extract the company info: Stripe was founded in 2010."},{"role":"assistant","content":"{\"company\": \"Stripe\", \"founding_year\": 2010}"}]})"},
    {"quotes in prose",
     R"({"messages": [{"role": "user", "content": "Who said "no" and "yes"?"}, {"role": "assistant", "content": "He did."}]})",
     R"({"messages": [{"role": "user", "content": "Who said \"no\" and \"yes\"?"}, {"role": "assistant", "content": "He did."}]})"},
    {"a quote at the end",
     R"({"messages": [{"role": "user", "content": "say "hi""}, {"role": "assistant", "content": "hi"}]})",
     R"({"messages": [{"role": "user", "content": "say \"hi\""}, {"role": "assistant", "content": "hi"}]})"},
    {"some escaped already",
     R"({"messages": [{"role": "user", "content": "a \"b\" and "c""}, {"role": "assistant", "content": "d\n"}]})",
     R"({"messages": [{"role": "user", "content": "a \"b\" and \"c\""}, {"role": "assistant", "content": "d\n"}]})"},
    {"JSON with lists inside",
     R"({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "{"a": ["b", "c"], "d": {"e": null}}"}]})",
     R"({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "{\"a\": [\"b\", \"c\"], \"d\": {\"e\": null}}"}]})"},
    {"content before role",
     R"({"messages": [{"content": "the "big" one", "role": "user"}, {"content": "ok", "role": "assistant"}]})",
     R"({"messages": [{"content": "the \"big\" one", "role": "user"}, {"content": "ok", "role": "assistant"}]})"},
    {"Alpaca", R"({"instruction": "Define "lora"", "input": "", "output": "A "cheap" way"})",
     R"({"instruction": "Define \"lora\"", "input": "", "output": "A \"cheap\" way"})"},
    {"trailing commas",
     R"({"messages": [{"role": "user", "content": "u",}, {"role": "assistant", "content": "a"},],})",
     R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]})"},
    {"missing comma",
     R"({"messages": [{"role": "user", "content": "u"} {"role": "assistant", "content": "a"}]})",
     R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]})"},
    {"single quotes",
     R"({'messages': [{'role': 'user', 'content': 'it\'s "here"'}, {'role': 'assistant', 'content': "it's there"}], 'golden': True})",
     R"({"messages": [{"role": "user", "content": "it's \"here\""}, {"role": "assistant", "content": "it's there"}], "golden": true})"},
    {"typographic quotes",
     R"({“messages”: [{“role”: “user”, “content”: “u”}, {"role": "assistant", "content": "a “b” c"}]})",
     R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a “b” c"}]})"},
    {"raw tab and others",
     "{\"messages\": [{\"role\": \"user\", \"content\": \"a\tb\x01\"}, {\"role\": \"assistant\", "
     "\"content\": \"c\"}]}",
     R"({"messages": [{"role": "user", "content": "a\tb\u0001"}, {"role": "assistant", "content": "c"}]})"},
    // No repair, or two.
    {"a name or a text",
     R"({"messages":[{"role":"user","content":"Say "hi", "name": "Bob"},{"role":"assistant","content":"ok"}]})",
     ""},
    {"truncated", R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a)",
     ""},
    {"bad escape",
     R"({"messages": [{"role": "user", "content": "C:\q"}, {"role": "assistant", "content": "a"}]})", ""},
    {"not a row", R"({"messages": [{"role": "user", "content": "say "hi""}]})", ""},
    {"valid already",
     R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]})", ""},
    {"two rows on a line", R"({"messages": []} {"messages": []})", ""},
    {"nothing", "", ""},
    {"words", "hello there", ""},
};

TEST(RowRepair, RepairsWhereOneRowCanBeMeant) {
  for (const Case& c : kCases) {
    const auto repair = repair_row(c.broken, {});
    EXPECT_EQ(repair ? repair->text : "", c.mended) << c.what;
    if (!repair) continue;
    EXPECT_FALSE(repair->what.empty()) << c.what;
    EXPECT_EQ(read_json(repair->text).ok(), true) << c.what;
    EXPECT_FALSE(repair_row(repair->text, {}).has_value()) << "nothing is left to repair";
  }
}

TEST(RowRepair, SaysWhatItDid) {
  EXPECT_EQ(repair_row(kCases[0].broken, {})->what, "6 quotes escaped");
  EXPECT_EQ(repair_row(R"({"prompt": "a", "completion": "b",})", {})->what, "a trailing comma removed");
}

TEST(RowRepair, ItsWorkIsBounded) {
  std::string quotes = R"({"messages": [{"role": "user", "content": ")";
  for (int i = 0; i < 20'000; ++i) quotes += R"(", "name": ")";
  EXPECT_FALSE(repair_row(quotes + "\"}]}", {}).has_value());
  EXPECT_FALSE(repair_row(std::string(900'000, '"'), {}).has_value());
  EXPECT_FALSE(repair_row(std::string(900'000, '['), {}).has_value());
}

}  // namespace
}  // namespace lora
