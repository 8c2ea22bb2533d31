// The fast reader against the exact one, which tests/parity/test_json.py holds against Python's json.
#include "data/json_tape.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/json_reader.h"

namespace lora {
namespace {

nlohmann::json value_of(const JsonTape& tape, size_t i) {
  const JsonNode& node = tape[i];
  switch (node.type) {
    case JsonType::kNull:
      return nullptr;
    case JsonType::kBoolean:
      return tape.boolean(i);
    case JsonType::kNumber:
      return tape.number(i);
    case JsonType::kString:
      return tape.string(i);
    case JsonType::kArray: {
      auto array = nlohmann::json::array();
      for (size_t item = i + 1; item < node.after; item = tape[item].after)
        array.push_back(value_of(tape, item));
      EXPECT_EQ(array.size(), node.count);
      return array;
    }
    case JsonType::kObject:
      break;
  }
  auto object = nlohmann::json::object();
  for (size_t key = i + 1; key < node.after; key = tape[key + 1].after)
    object[tape.string(key)] = value_of(tape, key + 1);
  return object;
}

void expect_agreement(const std::string& text) {
  JsonTape tape;
  const bool fast = tape.read(text);
  const JsonText exact = read_json(text, {.refuse_duplicate_keys = false});
  ASSERT_EQ(fast, exact.ok()) << text << (exact.ok() ? "" : ": " + exact.problem->found);
  if (!fast) return;
  EXPECT_EQ(value_of(tape, 0), exact.value) << text;
  EXPECT_EQ(tape.raw(0),
            std::string_view(text).substr(exact.place.begin, exact.place.end - exact.place.begin));
  EXPECT_EQ(nlohmann::json::parse(compact_json(tape.raw(0))), nlohmann::json::parse(text));
  const bool strict = read_json(text).ok();
  EXPECT_EQ(tape.duplicate_keys().empty(), strict) << text;
}

const char* const kTexts[] = {
    R"({"messages": [{"role": "user", "content": "Größe \"L\"?\n\t😀 \ud83d\ude00 \u00e9"}], "n": [0, -0.5e-3, 12345678901234567890, true, false, null]})",
    R"({"a": 1, "b": {"a": 2, "\u0061": 3}, "c": [], "d": {}})",
    R"(["1e308", 1e308, 1e309, -1e309, 1e-400, 0.1, 1E+2, 18446744073709551616])",
    R"([1e-400])",
    R"([true, truex, nul])",
    R"({"k": "a\/b\\c", "l": "", "m": "x"})",
    "[\"\xf0\x9f\x98\x80\", \"\xed\xa0\x80\"]",
    R"(["\udc00"])",
    R"(["\ud800\u0041"])",
    R"( [ 1 , 2 , { "x" : [ ] } ] )"};

TEST(JsonTape, AgreesWithTheExactReader) {
  const std::string_view pieces[] = {"\"",   "\\",       ",",       ":",    "{",    "}",    "[",
                                     "]",    " ",        "\n",      "0",    "-",    ".",    "e",
                                     "\\u",  "\\ud83d",  "\\ude00", "\xff", "\xc3", "\xa9", "😀",
                                     "null", "\"a\":1,", "1e999",   "\x01", "é"};
  Random random(7);
  for (const std::string text : kTexts) {
    expect_agreement(text);
    for (int round = 0; round < 3000; ++round) {
      std::string mutated = text;
      for (uint64_t n = 1 + random.below(3); n > 0; --n) {
        const size_t at = random.below(mutated.size() + 1);
        if (random.below(2) == 0)
          mutated.insert(at, pieces[random.below(std::size(pieces))]);
        else
          mutated.erase(at, 1 + random.below(3));
      }
      expect_agreement(mutated);
    }
    for (size_t length = 0; length < text.size(); ++length) expect_agreement(text.substr(0, length));
  }
}

TEST(JsonTape, BoundsTheDepthAsTheExactReader) {
  for (const size_t depth : {63, 64, 65, 1'000'000})
    for (const bool object : {false, true}) {
      std::string text, close;
      for (size_t i = 0; i < depth; ++i) {
        text += object ? "{\"a\":" : "[";
        close += object ? "}" : "]";
      }
      expect_agreement(text + "1" + close);
    }
}

TEST(JsonTape, FindsDuplicateKeysOfLargeObjects) {
  std::string text = "{";
  for (int i = 0; i < 40; ++i)
    text += (i ? ",\"k" : "\"k") + std::to_string(i % 39) + "\":" + std::to_string(i);
  text += "}";
  JsonTape tape;
  ASSERT_TRUE(tape.read(text));
  ASSERT_EQ(tape.duplicate_keys().size(), 1u);
  EXPECT_EQ(tape.string(tape.duplicate_keys()[0]), "k0");
  EXPECT_EQ(tape.number(tape.find(0, "k0")), 39) << "the last one counts";
  EXPECT_EQ(tape.find(0, "none"), 0u);
}

TEST(JsonTape, KnowsWhereAByteOfAStringStands) {
  const std::string text = R"(["a\n\u00e9é\ud83d\ude00z"])";
  JsonTape tape;
  ASSERT_TRUE(tape.read(text));
  const std::string value = tape.string(1);
  EXPECT_EQ(value, "a\néé😀z");
  const auto at = [&](std::string_view part, size_t from = 0) {
    return offset_in_json_string(text, 1, value.find(part, from));
  };
  EXPECT_EQ(at("a"), 2u);
  EXPECT_EQ(at("\n"), 3u);
  EXPECT_EQ(at("é"), 5u);
  EXPECT_EQ(at("é", 3), 11u);
  EXPECT_EQ(at("😀"), 13u);
  EXPECT_EQ(at("z"), text.find('z'));
  EXPECT_EQ(offset_in_json_string(text, 1, 1000), text.size() - 2) << "the closing quote";
}

}  // namespace
}  // namespace lora
