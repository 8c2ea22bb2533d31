#include "eval/checks.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lora {
namespace {

CheckResult run(const char* check, const char* answer, const char* reference, bool lenient = false) {
  return make_check(check, lenient)->run(answer, reference);
}

TEST(JsonValid, TakesTheAnswerAsItIs) {
  for (const char* good : {R"({"a":1})", " \n[1,2]\n", "null", "3", R"({"a":1,"a":2})"})
    EXPECT_TRUE(run("json_valid", good, "").passed) << good;
  for (const char* bad : {"", "Here it is: {}", "{} Hope this helps!", "```json\n{}\n```", "{'a':1}",
                          R"({"a":1,})", R"({"a":)", "NaN"}) {
    const CheckResult result = run("json_valid", bad, "");
    EXPECT_FALSE(result.passed) << bad;
    EXPECT_EQ(result.score, 0);
    EXPECT_NE(result.why.find("not JSON: "), std::string::npos);
  }
  EXPECT_TRUE(make_check("json_valid")->is_format());
}

TEST(JsonValid, LenientTakesAFence) {
  EXPECT_TRUE(run("json_valid", "```json\n{}\n```", "", true).passed);
  EXPECT_TRUE(run("json_valid", "```\n[1]\n```\n", "", true).passed);
  EXPECT_FALSE(run("json_valid", "Sure:\n```json\n{}\n```", "", true).passed);
  for (const char* odd : {"```", "``````", "```\n```", "```json", "``` ```"})
    EXPECT_FALSE(run("json_valid", odd, "", true).passed) << odd;
}

TEST(JsonFields, ComparesFieldByField) {
  const char* reference = R"({"name":"Ann","age":5,"city":null,"tags":["x",1]})";
  EXPECT_TRUE(
      run("json_fields", R"( {"city":null, "age":5.0, "tags":["x",1e0], "name":"Ann"} )", reference).passed)
      << "order and 5 = 5.0";
  const CheckResult partly =
      run("json_fields", R"({"name":"ann","age":5,"city":"","tags":["x",1]})", reference);
  EXPECT_FALSE(partly.passed);
  EXPECT_DOUBLE_EQ(partly.score, 0.5);
  ASSERT_EQ(partly.fields.size(), 4u);
  EXPECT_EQ(partly.fields[0].name, "age");
  EXPECT_TRUE(partly.fields[0].passed);
  EXPECT_EQ(partly.fields[1].name, "city");
  EXPECT_FALSE(partly.fields[1].passed);
  EXPECT_EQ(partly.fields[1].expected, "null");
  EXPECT_EQ(partly.fields[1].got, "\"\"");
  EXPECT_EQ(partly.why, "wrong fields: city, name");
}

TEST(JsonFields, MissingAndExtraFieldsAreWrong) {
  EXPECT_FALSE(run("json_fields", R"({"a":1})", R"({"a":1,"b":null})").passed) << "missing is not null";
  EXPECT_FALSE(run("json_fields", R"({"a":1,"c":2})", R"({"a":1})").passed);
  EXPECT_DOUBLE_EQ(run("json_fields", R"({"a":1,"c":2})", R"({"a":1})").score, 0.5);
  EXPECT_FALSE(run("json_fields", R"({"a":"1"})", R"({"a":1})").passed) << "a string is no number";
  EXPECT_FALSE(run("json_fields", R"({"a":true})", R"({"a":1})").passed);
  EXPECT_FALSE(run("json_fields", R"({"a":9007199254740993})", R"({"a":9007199254740992})").passed)
      << "integers keep their digits";
  const CheckResult account = run("json_fields", R"({"a":{"id":12345678901234567890123}})",
                                  R"({"a":{"id":12345678901234567890124}})");
  EXPECT_FALSE(account.passed) << "also beyond 64 bits";
  ASSERT_EQ(account.fields.size(), 1u);
  EXPECT_EQ(account.fields[0].expected, R"({"id":12345678901234567890124})");
  EXPECT_EQ(account.fields[0].got, R"({"id":12345678901234567890123})");
  EXPECT_FALSE(run("json_fields", R"({"a":2,"a":1})", R"({"a":1})").passed) << "which one is meant?";
  EXPECT_FALSE(run("json_fields", R"({"a":{"x":1,"y":2}})", R"({"a":{"x":1}})").passed) << "nested too";
}

TEST(JsonFields, OtherReferencesAreComparedWhole) {
  EXPECT_TRUE(run("json_fields", "[1, 2]", "[1,2.0]").passed);
  EXPECT_FALSE(run("json_fields", "[2,1]", "[1,2]").passed);
  EXPECT_TRUE(run("json_fields", "12345678901234567890123.0", "12345678901234567890123").passed);
  EXPECT_FALSE(run("json_fields", "12345678901234567890124", "12345678901234567890123").passed);
  EXPECT_FALSE(run("json_fields", "[]", "{}").passed);
  EXPECT_TRUE(run("json_fields", "{}", "{}").passed);
  EXPECT_TRUE(run("json_fields", " nothing found", "nothing found").passed);
  EXPECT_FALSE(run("json_fields", "not json", R"({"a":1})").passed);
}

TEST(Exact, TrimsAndNoMore) {
  EXPECT_TRUE(run("exact", " Yes\n", "Yes").passed);
  EXPECT_FALSE(run("exact", "yes", "Yes").passed);
  EXPECT_FALSE(run("exact", "Yes.", "Yes").passed);
}

TEST(NormalizedExact, FoldsCaseSpaceAndOuterPunctuation) {
  EXPECT_TRUE(run("normalized_exact", " \"New   YORK.\"\n", "new york").passed);
  EXPECT_FALSE(run("normalized_exact", "newyork", "new york").passed);
  EXPECT_FALSE(run("normalized_exact", "3.5", "35").passed) << "inner punctuation counts";
  EXPECT_FALSE(run("normalized_exact", "-5", "5").passed);
  EXPECT_FALSE(run("normalized_exact", "?", "!").passed);
  EXPECT_TRUE(run("normalized_exact", " ! ", "!").passed);
}

TEST(MakeCheck, RefusesUnknownNames) {
  for (const std::string& name : check_names()) EXPECT_EQ(make_check(name)->name(), name);
  try {
    make_check("regexx");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("json_fields"), std::string::npos) << "the known ones are named";
  }
}

}  // namespace
}  // namespace lora
