#include "data/same_answer.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

bool same(std::string_view a, std::string_view b) {
  return say_the_same(a, b) && say_the_same(b, a);
}

TEST(SameAnswer, FormDoesNotCount) {
  EXPECT_TRUE(same("Billing", "billing."));
  EXPECT_TRUE(same("The cat  sat.", "the cat sat"));
  EXPECT_TRUE(same(R"({"a": 1, "b": "X"})", R"({"b":"x","a":1.0})"));
  EXPECT_TRUE(same(R"({"a": 2010})", R"({"a": "2010"})"));
  EXPECT_TRUE(same("```json\n{\"a\": 1}\n```", R"({"a":1})"));
  EXPECT_TRUE(same("1,200", "1200.0"));
  EXPECT_TRUE(same("42.", "42"));
  EXPECT_TRUE(same("", " "));
  EXPECT_TRUE(same("?!", "?!"));
  EXPECT_TRUE(same("NaN", "nan."));
  EXPECT_TRUE(same("inf", "Inf."));
}

TEST(SameAnswer, ContentDoes) {
  EXPECT_FALSE(same("billing", "bug"));
  EXPECT_FALSE(same("bug", "not a bug"));
  EXPECT_FALSE(same("yes", "no"));
  EXPECT_FALSE(same("3", "-3"));
  EXPECT_FALSE(same("42", "43"));
  EXPECT_FALSE(same(R"({"a": 1})", R"({"a": 2})"));
  EXPECT_FALSE(same(R"({"a": 1})", R"({"a": 1, "b": null})"));
  EXPECT_FALSE(same(R"({"a": [1, 2]})", R"({"a": [2, 1]})"));
  EXPECT_FALSE(same(R"({"a": null})", R"({"a": {}})"));
  EXPECT_FALSE(same("?", "!"));
  EXPECT_FALSE(same("NaN", "inf"));
  EXPECT_FALSE(same("", "a"));
}

TEST(SameAnswer, LongNumbersKeepTheirDigits) {
  for (const auto& [a, b] : {std::pair{"9007199254740992", "9007199254740993"},
                             {"12345678901234567890123", "12345678901234567890124"},
                             {"0.1", "0.10000000000000000001"},
                             {"18446744073709551615", "-1"},
                             {"1e-400", "2e-400"}}) {
    const auto in_json = [](const std::string& number) { return "{\"id\": [" + number + "]}"; };
    const auto as_text = [](const std::string& number) { return "{\"id\": [\"" + number + "\"]}"; };
    EXPECT_FALSE(same(a, b)) << a;
    EXPECT_FALSE(same(in_json(a), in_json(b))) << a;
    EXPECT_FALSE(same(in_json(a), as_text(b))) << a;
    EXPECT_TRUE(same(in_json(a), as_text(a))) << a;
  }
  EXPECT_FALSE(same(R"({"id": 9007199254740993})", R"({"id": 9007199254740992.0})"));
  EXPECT_TRUE(same("12,345,678,901,234,567,890,123", "12345678901234567890123.0"));
  EXPECT_TRUE(same(R"({"id": 12345678901234567890123})", R"({"id": 12345678901234567890123.0})"));
  EXPECT_TRUE(same("1e999", "10e998"));
}

TEST(SameAnswer, ToolCallsCount) {
  const Message a{.role = "assistant", .content = "", .tool_calls = R"([{"name":"f"}])"};
  Message b = a;
  EXPECT_TRUE(say_the_same(a, b));
  b.tool_calls = R"([{"name":"g"}])";
  EXPECT_FALSE(say_the_same(a, b));
}

}  // namespace
}  // namespace lora
