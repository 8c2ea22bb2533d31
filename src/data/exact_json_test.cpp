#include "data/exact_json.h"

#include <gtest/gtest.h>

#include "data/json_equal.h"

namespace lora {
namespace {

using nlohmann::json;

json exact(std::string_view text) {
  const JsonText read = read_exact_json(text, {.refuse_duplicate_keys = false});
  EXPECT_TRUE(read.ok()) << text;
  return read.value;
}

bool equal(std::string_view a, std::string_view b) {
  return equal_json(exact(a), exact(b)) && equal_json(exact(b), exact(a));
}

bool unequal(std::string_view a, std::string_view b) {
  return !equal_json(exact(a), exact(b)) && !equal_json(exact(b), exact(a));
}

TEST(ReadDecimal, GivesOneFormToAllSpellings) {
  const Decimal number = read_decimal("-0.0120e3");
  EXPECT_TRUE(number.negative);
  EXPECT_EQ(number.digits, "12");
  EXPECT_EQ(number.exponent, 2);
  EXPECT_TRUE(read_decimal("-12") == number);
  EXPECT_TRUE(read_decimal("-12.000") == number);
  EXPECT_TRUE(read_decimal("-1200E-2") == number);
  EXPECT_TRUE(read_decimal("-0012.") == number);
  EXPECT_FALSE(read_decimal("12") == number);
  EXPECT_FALSE(read_decimal("-120") == number);
  EXPECT_FALSE(read_decimal("-1.2") == number);
  for (const char* zero : {"0", "-0", "0.000", "-0e99", "0E-99"})
    EXPECT_TRUE(read_decimal(zero) == Decimal()) << zero;
}

TEST(ReadDecimal, BoundsExponents) {
  const Decimal tiny = read_decimal("1e-99999999999999999999999");
  EXPECT_EQ(tiny.digits, "1");
  EXPECT_EQ(tiny.exponent, -(int64_t{1} << 40));
  EXPECT_TRUE(read_decimal("10e-99999999999999999999998") == tiny);
  EXPECT_EQ(read_decimal("1e99999999999999999999999").exponent, int64_t{1} << 40);
  EXPECT_EQ(read_decimal("7e0000000000000000000000001").exponent, 2);
}

TEST(ExactJson, EqualNumbersAreEqualHoweverWritten) {
  EXPECT_TRUE(equal("1", "1.0"));
  EXPECT_TRUE(equal("1e2", "100"));
  EXPECT_TRUE(equal("0.10", "0.1"));
  EXPECT_TRUE(equal("0", "-0.0"));
  EXPECT_TRUE(equal("0.30000000000000004", "0.300000000000000040"));
  EXPECT_TRUE(equal("9007199254740993", "9007199254740993.0"));
  EXPECT_TRUE(equal("10000000000000000000", "1e19")) << "an unsigned integer and a double";
  EXPECT_TRUE(equal("12345678901234500000", "123456789012345e5")) << "which no double is exactly";
  EXPECT_TRUE(equal("1000000000000000000000000000000", "1e30"));
  EXPECT_TRUE(equal("12345678901234567890123", "12345678901234567890123.00"));
  EXPECT_TRUE(equal("12345678901234567890123", "1.2345678901234567890123e+22"));
  EXPECT_TRUE(equal("1e-400", "0.1E-399"));
  EXPECT_TRUE(equal("1e-99999999999999999999", "10e-99999999999999999998"));
}

TEST(ExactJson, NumbersThatDifferInAnyDigitAreUnequal) {
  EXPECT_TRUE(unequal("12345678901234567890123", "12345678901234567890124"));
  EXPECT_TRUE(unequal("12345678901234567890123", "-12345678901234567890123"));
  EXPECT_TRUE(unequal("12345678901234567890123", "123456789012345678901230"));
  EXPECT_TRUE(unequal("12345678901234567890123", "12345678901234567890123.5"));
  EXPECT_TRUE(unequal("12345678901234567890123", "\"12345678901234567890123\"")) << "a string is no number";
  EXPECT_TRUE(unequal("[{\"a\":12345678901234567890123}]", "[{\"a\":12345678901234567890124}]"));
  EXPECT_TRUE(unequal("18446744073709551616", "18446744073709551615")) << "2^64 and the integer before it";
  EXPECT_TRUE(unequal("18446744073709551615", "-1")) << "the same 64 bits";
  EXPECT_TRUE(unequal("9007199254740993", "9007199254740992.0"));
  EXPECT_TRUE(unequal("10000000000000000001", "1e19"));
  EXPECT_TRUE(unequal("0.1", "0.1000000000000000055511151231257827"));
  EXPECT_TRUE(unequal("1e-400", "2e-400"));
  EXPECT_TRUE(unequal("1e-400", "0"));
}

TEST(ExactJson, KeepsOnlyWhatADoubleWouldLose) {
  EXPECT_TRUE(exact("1.5").is_number_float());
  EXPECT_TRUE(exact("123456789012345e5").is_number_float());
  EXPECT_TRUE(exact("1e300").is_number_float());
  EXPECT_TRUE(exact("18446744073709551615").is_number_integer());
  for (const char* number : {"12345678901234567890123", "1234567890123456e4", "-1e-400", "1e-310"}) {
    const json value = exact(number);
    EXPECT_FALSE(value.is_number()) << number;
    EXPECT_TRUE(is_exact_number(value)) << number;
    EXPECT_EQ(nearest_double(value), read_json(number).value.get<double>()) << number;
    EXPECT_EQ(dump_exact(value), number);
  }
  EXPECT_FALSE(is_exact_number(exact("\"1\"")));
  EXPECT_FALSE(is_exact_number(exact("[1]")));
}

TEST(ExactJson, RefusesWhatTheReaderRefuses) {
  EXPECT_FALSE(read_exact_json("1e999").ok());
  EXPECT_FALSE(read_exact_json("1e999999999999999999999").ok());
  EXPECT_FALSE(read_exact_json(std::string(400, '9')).ok());
  EXPECT_FALSE(read_exact_json("{\"a\":1,\"a\":1}").ok());
  EXPECT_FALSE(read_exact_json("[[[1]]]", {.max_depth = 2}).ok());
}

TEST(ExactJson, OfAKeyThatStandsTwiceTheLastOneCounts) {
  EXPECT_EQ(dump_exact(exact(R"({"a":12345678901234567890123,"a":0.5})")), R"({"a":0.5})");
  EXPECT_EQ(dump_exact(exact(R"({"a":0.5,"a":12345678901234567890123})")),
            R"({"a":12345678901234567890123})");
  EXPECT_EQ(dump_exact(exact(R"({"a":[1.5],"a":[0.5,12345678901234567890123]})")),
            R"({"a":[0.5,12345678901234567890123]})");
}

TEST(ExactJson, IsShownAsItWasWritten) {
  const std::string text =
      R"({"a":[12345678901234567890123,null,true,"x\"y\n"],"b":{},"c":[],"d \"e\"":1.5,"f":[[],{"g":-7}]})";
  EXPECT_EQ(dump_exact(exact(text)), text);
  EXPECT_EQ(dump_exact(exact(R"( {"b": 1, "a": [ 1, 2.0 ]} )")), R"({"a":[1,2.0],"b":1})");
}

}  // namespace
}  // namespace lora
