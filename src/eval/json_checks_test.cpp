#include <gtest/gtest.h>

#include <fmt/format.h>

#include "data/exact_json.h"
#include "eval/check_testing.h"
#include "eval/field_match.h"

namespace lora {
namespace {

using testing::judge;
using testing::passes;

// JSON Schema's keywords are held against python-jsonschema in tests/parity/test_checks.py.
TEST(JsonSchemaCheck, JudgesTheAnswer) {
  const std::string check =
      "type = 'json_schema'\nschema = { type = 'object', required = ['a'], properties = { a = { type = "
      "'integer' } } }";
  EXPECT_TRUE(passes(check, "{\"a\": 1}"));
  EXPECT_TRUE(passes(check, " {\"a\": 1.0} ")) << "1.0 is an integer";
  for (const char* bad :
       {"{\"a\": 1.5}", "{}", "[]", "", "{\"a\": 1", "{\"a\": 1, \"a\": 2}", "```json\n{\"a\": 1}\n```"})
    EXPECT_FALSE(passes(check, bad)) << bad;
  EXPECT_TRUE(passes(check + "\nfence = true", "```json\n{\"a\": 1}\n```"));
  EXPECT_NE(judge(check, "{\"a\": true}").why.find("a"), std::string::npos);
}

TEST(JsonSchemaCheck, HostileAnswersAndPatternsEnd) {
  const std::string pattern = "type = 'json_schema'\nschema = { pattern = '^(a+)+$' }";
  const CheckResult result = judge(pattern, fmt::format("\"{}!\"", std::string(100000, 'a')));
  EXPECT_FALSE(result.passed);
  EXPECT_NE(result.why.find("too many steps"), std::string::npos);
  EXPECT_FALSE(passes("type = 'json_schema'\nschema = { not = { pattern = '^(a+)+$' } }",
                      fmt::format("\"{}!\"", std::string(100000, 'a'))))
      << "giving up is no pass, also under not";
  // Deep, wide, recursive.
  const std::string tree =
      "type = 'json_schema'\nschema = { '$defs' = { t = { type = 'array', items = { '$ref' = '#/$defs/t' } } "
      "}, "
      "'$ref' = '#/$defs/t' }";
  EXPECT_TRUE(passes(tree, std::string(200, '[') + std::string(200, ']')));
  EXPECT_FALSE(passes(tree, std::string(300, '[') + std::string(300, ']'))) << "deeper than 256 is refused";
  std::string wide = "[";
  for (int i = 0; i < 5000; ++i) wide += "[],";
  EXPECT_TRUE(passes(tree, wide + "[]]"));
}

TEST(JsonFieldsRules, CompareEachFieldInItsWay) {
  const std::string check =
      "type = 'json_fields'\n"
      "[check.field.name]\ncompare = 'casefold'\n"
      "[check.field.price]\ncompare = 'number'\ntolerance = 0.01\n"
      "[check.field.when]\ncompare = 'date'\n"
      "[check.field.tags]\ncompare = 'set'\n"
      "[check.field.\"address.city\"]\n"
      "[check.field.\"items.*.count\"]\ncompare = 'number'\n"
      "[check.field.note]\ncompare = 'ignore'\n";
  const std::string reference =
      R"({"name":"Ann Lee","price":9.99,"when":"2024-03-05","tags":["a","b"],"address":{"city":"Rome","zip":1},)"
      R"("items":[{"count":1},{"count":2}],"note":"x","other":5})";
  EXPECT_TRUE(passes(
      check,
      R"({"other":5.0,"note":"quite another","items":[{"count":"1"},{"count":2.0}],)"
      R"("address":{"city":"Rome","zip":1},"tags":["b","a","a"],"when":"March 5, 2024","price":"10.00","name":"ANN  lee"})",
      reference));
  const CheckResult wrong = judge(check,
                                  R"({"name":"Bob","price":10.01,"when":"2024-05-03","tags":["a"],)"
                                  R"("address":"Rome","items":[{"count":1}],"other":"5","more":1})",
                                  reference);
  EXPECT_FALSE(wrong.passed);
  EXPECT_EQ(wrong.score, 0);
  EXPECT_EQ(wrong.fields.size(), 9u);
  EXPECT_EQ(wrong.why,
            "wrong fields: address.city, items.*.count, name, price, tags, when, address, other, more");
}

TEST(JsonFieldsRules, WhatStandsBesideARuledPathStaysExact) {
  const std::string note = "type = 'json_fields'\n[check.field.\"address.note\"]\ncompare = 'ignore'\n";
  const std::string reference = R"({"address":{"city":"Rome","note":"x"}})";
  EXPECT_TRUE(passes(note, R"({"address":{"note":"another","city":"Rome"}})", reference));
  EXPECT_TRUE(passes(note, R"({"address":{"city":"Rome"}})", reference));
  EXPECT_FALSE(passes(note, R"({"address":{"city":"Oslo","note":"x"}})", reference));
  EXPECT_FALSE(passes(note, R"({"address":{"city":"Rome","note":"x","zip":1}})", reference));
  EXPECT_FALSE(passes(note, R"({})", reference));
  EXPECT_TRUE(passes(note + "[check.field.\"address.city\"]\n", R"({"address":{"city":"Rome"}})", reference))
      << "two rules for one object, and nothing beside them";
  EXPECT_TRUE(passes("only = true\n" + note, R"({"address":"Oslo"})", reference));

  const std::string count = "type = 'json_fields'\n[check.field.\"items.*.count\"]\ncompare = 'number'\n";
  const std::string items = R"({"items":[{"count":1,"name":"a"},{"count":2}]})";
  EXPECT_TRUE(passes(count, R"({"items":[{"name":"a","count":"1"},{"count":2.0}]})", items));
  EXPECT_FALSE(passes(count, R"({"items":[{"name":"b","count":1},{"count":2}]})", items));
  EXPECT_FALSE(passes(count, R"({"items":[{"name":"a","count":1},{"count":2,"name":"b"}]})", items));
  const std::string first = "type = 'json_fields'\nfield = { 'items.0' = { compare = 'ignore' } }";
  EXPECT_TRUE(passes(first, R"({"items":[7,2]})", R"({"items":[1,2]})"));
  EXPECT_FALSE(passes(first, R"({"items":[1,3]})", R"({"items":[1,2]})"));

  const CheckResult covered = judge("type = 'json_fields'\nfield = { 'items.*.count' = {} }",
                                    R"({"items":[{"count":1}]})", R"({"items":[{"count":1}]})");
  ASSERT_EQ(covered.fields.size(), 1u) << "an array of ruled fields alone is no field of its own";
}

TEST(JsonFieldsRules, LongNumbersKeepTheirDigits) {
  const std::string check =
      "type = 'json_fields'\n"
      "[check.field.id]\ncompare = 'number'\n"
      "[check.field.ids]\ncompare = 'set'\n"
      "[check.field.near]\ncompare = 'number'\ntolerance = 1.0\n";
  const std::string reference =
      R"({"id":12345678901234567890123,"ids":[1e30,12345678901234567890123],"near":12345678901234567890123,)"
      R"("other":[12345678901234567890123]})";
  EXPECT_TRUE(passes(
      check,
      R"({"id":"12345678901234567890123.0","ids":[12345678901234567890123.0,1000000000000000000000000000000],)"
      R"("near":12345678901234567890124,"other":[1.2345678901234567890123e22]})",
      reference))
      << "a tolerance makes it a number of limited precision";
  const CheckResult wrong = judge(check,
                                  R"({"id":12345678901234567890124,"ids":[1e30,12345678901234567890124],)"
                                  R"("near":"none","other":[12345678901234567890124]})",
                                  reference);
  EXPECT_EQ(wrong.score, 0);
  ASSERT_EQ(wrong.fields.size(), 4u);
  EXPECT_EQ(wrong.why, "wrong fields: id, ids, near, other");
  EXPECT_EQ(wrong.fields[0].expected, "12345678901234567890123");
  EXPECT_EQ(wrong.fields[0].got, "12345678901234567890124");
}

TEST(JsonSchemaCheck, LongNumbersAreNumbers) {
  const std::string check = "type = 'json_schema'\nschema = { type = 'number', minimum = 5 }";
  EXPECT_TRUE(passes(check, "12345678901234567890123"));
  EXPECT_FALSE(passes(check, "-12345678901234567890123"));
}

TEST(JsonFieldsRules, OnlyAndExtraAndAnswersThatAreNoObject) {
  const std::string only = "type = 'json_fields'\nonly = true\nfield = { a = {} }";
  EXPECT_TRUE(passes(only, R"({"a":1,"c":3})", R"({"a":1,"b":2})"));
  EXPECT_FALSE(passes(only, R"({"a":2,"b":2})", R"({"a":1,"b":2})"));
  EXPECT_FALSE(passes("type = 'json_fields'", R"({"a":1,"b":2})", R"({"a":1})"));
  EXPECT_TRUE(passes("type = 'json_fields'\nextra = 'ignore'", R"({"a":1,"b":2})", R"({"a":1})"));
  for (const char* bad : {"", "no JSON", "[1]", "{\"a\":1} trailing", "{\"a\":1,\"a\":1}"}) {
    const CheckResult result = judge("type = 'json_fields'", bad, R"({"a":1,"b":2})");
    EXPECT_FALSE(result.passed) << bad;
    ASSERT_EQ(result.fields.size(), 2u) << "missed fields count against recall";
    EXPECT_EQ(result.fields[0].got, "");
  }
  EXPECT_FALSE(passes("type = 'json_fields'", "no JSON", "{}"))
      << "nothing is missing, and yet it is no object";
  EXPECT_TRUE(passes("type = 'json_fields'", "[1,2]", "[1,2]"));
}

TEST(FieldMatch, Dates) {
  const auto same = parse_date("2024-03-05");
  ASSERT_TRUE(same);
  for (const char* text :
       {"2024/3/5", "5.3.2024", "05.03.2024", "5 March 2024", "5th of March 2024", "March 5, 2024",
        "Mar 5 2024", "mar. 5 2024", "2024-03-05T10:00:00Z", "2024-03-05 10:00", " 2024-03-05 "})
    EXPECT_EQ(parse_date(text), same) << text;
  EXPECT_FALSE(parse_date("03/05/2024")) << "either order";
  EXPECT_EQ(parse_date("03/05/2024", false), same);
  EXPECT_EQ(parse_date("05/03/2024", true), same);
  EXPECT_EQ(parse_date("03/25/2024"), parse_date("2024-03-25"));
  for (const char* text : {"", "2024", "2024-02-30", "2023-02-29", "2024-13-01", "0000-01-01", "May 2024",
                           "5 Smarch 2024", "2024-03-05x", "99999999999-1-1", "--", "2024-03-", "1e3-01-01"})
    EXPECT_FALSE(parse_date(text)) << text;
  EXPECT_EQ(parse_date("1970-01-02"), 1);
}

TEST(FieldMatch, NumbersWithinATolerance) {
  const FieldRule exact{.path = "x", .parts = {"x"}, .compare = FieldRule::Compare::kNumber};
  EXPECT_TRUE(field_matches(exact, 5, 5.0));
  EXPECT_TRUE(field_matches(exact, 5, "5.00"));
  EXPECT_FALSE(field_matches(exact, 5, "5 EUR"));
  EXPECT_FALSE(field_matches(exact, 5, nullptr));
  EXPECT_FALSE(field_matches(exact, 5, "nan"));
  EXPECT_FALSE(field_matches(exact, 5, true));
  EXPECT_FALSE(field_matches(exact, 9007199254740993, 9007199254740992)) << "one double for both";
  EXPECT_FALSE(field_matches(exact, 9007199254740993, "9007199254740992"));
  EXPECT_TRUE(field_matches(exact, 9007199254740993, " +9007199254740993.00 "));
  FieldRule near = exact;
  near.tolerance = 0.1;
  EXPECT_TRUE(field_matches(near, 0.3, 0.2)) << "0.3 - 0.2 is a little more than 0.1 in binary";
  EXPECT_FALSE(field_matches(near, 0.3, 0.19));
  EXPECT_FALSE(field_matches(near, 1e12, 1e12 + 0.5)) << "of a large number too";
  near = exact;
  near.relative = 0.01;
  EXPECT_TRUE(field_matches(near, 200, 202));
  EXPECT_FALSE(field_matches(near, 200, 203));
  EXPECT_FALSE(field_matches(near, 5, "1e999"));
  EXPECT_TRUE(field_matches(near, read_exact_json("12345678901234567890123").value, 1.24e22));
  EXPECT_FALSE(field_matches(near, read_exact_json("12345678901234567890123").value, 1.26e22));
}

TEST(FieldMatch, Paths) {
  const auto value = nlohmann::json::parse(R"({"a":{"b":[10,{"c":1}]},"x.y":{"z/w":2},"e":[]})");
  const auto at = [&](const char* path) { return field_value(value, field_path(path)); };
  EXPECT_EQ(at("a.b.0"), 10);
  EXPECT_EQ(at("a.b.1.c"), 1);
  EXPECT_EQ(at("/x.y/z~1w"), 2);
  EXPECT_EQ(at("e.*"), nlohmann::json::array());
  EXPECT_FALSE(at("a.b.2"));
  EXPECT_FALSE(at("a.b.-1"));
  EXPECT_FALSE(at("a.b.99999999999999999999"));
  EXPECT_FALSE(at("a.c"));
  EXPECT_FALSE(at("a.b.0.x"));
  EXPECT_FALSE(at("a.b.*.c")) << "one item has no c";
}

}  // namespace
}  // namespace lora
