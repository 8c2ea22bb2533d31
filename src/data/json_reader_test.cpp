// Verdicts on valid and invalid texts are held against Python's json in tests/parity/test_json.py; here: what
// is said of a mistake, and where.
#include "data/json_reader.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

using Kind = JsonProblemKind;

struct BadText {
  const char* text;
  Kind kind;
  size_t line, column;
  const char* found;  // part of the message
};

TEST(JsonReader, SaysWhatIsWrongAndWhere) {
  const BadText table[] = {
      {R"({"role": "assistant", "content": "{"company": "Stripe"}"})", Kind::kUnescapedQuote, 1, 36,
       "unescaped quote"},
      {R"({"content": "He said "hi" to me"})", Kind::kUnescapedQuote, 1, 22, "unescaped quote"},
      {R"({"content": "the "big" one", "n": 1})", Kind::kUnescapedQuote, 1, 18, "unescaped quote"},
      {R"({"content": ""quoted" text"})", Kind::kUnescapedQuote, 1, 14, "unescaped quote"},
      {R"({"content": "a: "": b"})", Kind::kUnescapedQuote, 1, 17, "unescaped quote"},
      {R"({"content": "6" wide"})", Kind::kUnescapedQuote, 1, 15, "unescaped quote"},
      {R"({"a": "say "} please"})", Kind::kExtraText, 1, 15, "after the end"},
      {R"(["x"y"])", Kind::kUnescapedQuote, 1, 4, "unescaped quote"},
      {R"({"ke"y": 1})", Kind::kUnescapedQuote, 1, 5, "unescaped quote"},
      {R"("a"b")", Kind::kUnescapedQuote, 1, 3, "unescaped quote"},
      {R"({"größe": "é"x"})", Kind::kUnescapedQuote, 1, 13, "unescaped quote"},  // columns are characters
      {R"([1, 2,])", Kind::kTrailingComma, 1, 6, "trailing comma before ']'"},
      {R"({"a": 1 , })", Kind::kTrailingComma, 1, 9, "trailing comma before '}'"},
      {R"({"a": 1 "b": 2})", Kind::kMissingComma, 1, 8, "no comma"},
      {R"({"a": "x" "b": 2})", Kind::kMissingComma, 1, 10, "no comma"},
      {R"([{} {}])", Kind::kMissingComma, 1, 4, "no comma"},
      {R"({'a': 1})", Kind::kSingleQuotes, 1, 2, "single quotes"},
      {R"({"a": 'b'})", Kind::kSingleQuotes, 1, 7, "single quotes"},
      {R"({“a”: 1})", Kind::kTypographicQuotes, 1, 2, "typographic quote"},
      {R"({a: 1})", Kind::kUnquotedKey, 1, 2, "key without quotes"},
      {R"([1 // one
])",
       Kind::kComment, 1, 4, "comment"},
      {R"({"a": "b" // c
})",
       Kind::kComment, 1, 11, "comment"},
      {R"({"a": {"b": [1, 2)", Kind::kTruncated, 1, 18, "before the array is closed"},
      {R"({"a": "bcd)", Kind::kTruncated, 1, 11, "inside the string that begins at column 7"},
      {R"({"a": "b\)", Kind::kTruncated, 1, 10, "inside an escape"},
      {R"({"a": "\u12)", Kind::kTruncated, 1, 12, "inside an escape"},
      {R"({"a":)", Kind::kTruncated, 1, 6, "where a value should stand"},
      {R"({"a": tru)", Kind::kTruncated, 1, 10, "inside the word true"},
      {R"({"a": 1.)", Kind::kTruncated, 1, 9, "inside a number"},
      {R"({"a": 1, "a": 2})", Kind::kDuplicateKey, 1, 10, "the key \"a\" stands twice"},
      {R"({"x": {"b": 1, "\u0062": 2}})", Kind::kDuplicateKey, 1, 16, "stands twice"},
      {R"({"a": "C:\path"})", Kind::kInvalidEscape, 1, 10, "backslash before 'p'"},
      {R"({"a": "\u12g4"})", Kind::kInvalidEscape, 1, 8, "without four hex digits"},
      {R"(["ok \ud83d!"])", Kind::kLoneSurrogate, 1, 6, "\\ud83d"},
      {R"(["\ude00"])", Kind::kLoneSurrogate, 1, 3, "\\ude00"},
      {"[\"a\tb\"]", Kind::kControlCharacter, 1, 4, "raw tab"},
      {"[\"a\nb\"]", Kind::kControlCharacter, 1, 4, "raw line break"},
      {"{\n  \"a\": \"x\x01\"\n}", Kind::kControlCharacter, 2, 10, "0x01"},
      {R"([NaN])", Kind::kNotANumber, 1, 2, "NaN"},
      {R"([-Infinity])", Kind::kNotANumber, 1, 2, "-Infinity"},
      {R"([True])", Kind::kWrongLiteral, 1, 2, "True"},
      {R"([None])", Kind::kWrongLiteral, 1, 2, "None"},
      {R"([007])", Kind::kBadNumber, 1, 2, "leading zero"},
      {R"([+1])", Kind::kBadNumber, 1, 2, "begins with '+'"},
      {R"([.5])", Kind::kBadNumber, 1, 2, "begins with '.'"},
      {R"([1.])", Kind::kBadNumber, 1, 2, "decimal point"},
      {R"([1e])", Kind::kBadNumber, 1, 2, "exponent"},
      {R"([1e999])", Kind::kNumberTooLarge, 1, 2, "too large"},
      {"[\"a\xff\"]", Kind::kInvalidUtf8, 1, 4, "0xff"},
      {"[\"\xed\xa0\x80\"]", Kind::kInvalidUtf8, 1, 3, "0xed"},  // a surrogate, encoded
      {"\xEF\xBB\xBF{}", Kind::kByteOrderMark, 1, 1, "byte order mark"},
      {R"({} {})", Kind::kExtraText, 1, 4, "after the end"},
      {"  \n ", Kind::kEmpty, 2, 2, "nothing"},
      {"[1\xC2\xA0]", Kind::kUnexpected, 1, 3, "U+00A0"},
  };
  for (const BadText& bad : table) {
    const JsonText parsed = read_json(bad.text);
    ASSERT_FALSE(parsed.ok()) << bad.text;
    const TextPosition at = position_of(bad.text, parsed.problem->offset);
    EXPECT_EQ(parsed.problem->kind, bad.kind) << bad.text << ": " << parsed.problem->found;
    EXPECT_EQ(at.line, bad.line) << bad.text;
    EXPECT_EQ(at.column, bad.column) << bad.text;
    EXPECT_NE(parsed.problem->found.find(bad.found), std::string::npos)
        << bad.text << ": " << parsed.problem->found;
    EXPECT_TRUE(parsed.value.is_null());
  }
}

TEST(JsonReader, KnowsWhereValuesStand) {
  const std::string text = R"({"a": [1, {"é": "x"}], "b": null})";
  const JsonText parsed = read_json(text);
  ASSERT_TRUE(parsed.ok());
  const JsonPlace& inner = parsed.place.at("a").at(1).at("é");
  EXPECT_EQ(text.substr(inner.begin, inner.end - inner.begin), "\"x\"");
  EXPECT_EQ(position_of(text, inner.begin).column, 17u);
  EXPECT_EQ(position_of(text, inner.key_begin).column, 12u);
  EXPECT_EQ(position_of(text, parsed.place.at("b").begin).column, 29u);
}

TEST(JsonReader, KeepsIntegersAndDecodesEscapes) {
  const JsonText parsed = read_json(
      R"([18446744073709551615, -9223372036854775808, 1e2, 5e-324, 1e-400, "\ud83d\ude00\u00e9\u0000"])");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value[0].get<uint64_t>(), UINT64_MAX);
  EXPECT_EQ(parsed.value[1].get<int64_t>(), INT64_MIN);
  EXPECT_TRUE(parsed.value[2].is_number_float());
  EXPECT_EQ(parsed.value[3].get<double>(), 5e-324);
  EXPECT_EQ(parsed.value[4].get<double>(), 0.0);
  EXPECT_EQ(parsed.value[5].get<std::string>(), std::string("😀é\0", 7));
}

TEST(JsonReader, BoundsTheDepth) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(read_json(nested(64)).ok());
  const JsonText deep = read_json(nested(65));
  ASSERT_FALSE(deep.ok());
  EXPECT_EQ(deep.problem->kind, Kind::kTooDeep);
  EXPECT_EQ(deep.problem->offset, 64u);
  EXPECT_EQ(read_json(std::string(5'000'000, '[')).problem->kind, Kind::kTooDeep);
}

TEST(JsonReader, LetsDuplicateKeysThroughWhenAsked) {
  const JsonText parsed = read_json(R"({"a": 1, "a": [2]})", {.refuse_duplicate_keys = false});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value["a"], nlohmann::json::parse("[2]"));
  EXPECT_EQ(parsed.place.at("a").begin, 14u) << "the place of the value that counts";
}

TEST(JsonReader, WorksOnEveryPrefixOfAText) {
  const std::string text = R"( {"a": [1, -2.5e3, "x\n\ud83d\ude00é", true, null], "b": {"c": {}}} )";
  const size_t end = text.rfind('}');
  for (size_t length = 0; length <= text.size(); ++length) {
    const std::string prefix = text.substr(0, length);
    const JsonText parsed = read_json(prefix);
    EXPECT_EQ(parsed.ok(), length > end) << prefix;
    if (!parsed.ok()) {
      EXPECT_LE(parsed.problem->offset, length);
    }
  }
}

TEST(Utf8, KnowsWellFormedSequences) {
  EXPECT_EQ(utf8_sequence_length("a", 0), 1u);
  EXPECT_EQ(utf8_sequence_length("é", 0), 2u);
  EXPECT_EQ(utf8_sequence_length("€", 0), 3u);
  EXPECT_EQ(utf8_sequence_length("😀", 0), 4u);
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98"})
    EXPECT_EQ(utf8_sequence_length(bad, 0), 0u);
}

}  // namespace
}  // namespace lora
