#include "data/checks/inconsistent_system_prompt.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/testing.h"

namespace lora {
namespace {

using testing::findings_of;

const std::string kUsual =
    "You are the help desk of a bike shop. Answer with one \"JSON\" object and nothing else.";

std::string row(const std::string& system) {
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  messages.push_back({{"role", "user"}, {"content", "q"}});
  messages.push_back({{"role", "assistant"}, {"content", "a"}});
  return nlohmann::ordered_json{{"messages", messages}}.dump() + "\n";
}

std::string rows(size_t n, const std::string& system = kUsual) {
  std::string text;
  for (size_t i = 0; i < n; ++i) text += row(system);
  return text;
}

std::vector<Finding> check(const std::string& text) {
  return findings_of(make_inconsistent_system_prompt_check(), text);
}

std::string replaced(const std::string& what, const std::string& with) {
  std::string text = kUsual;
  return text.replace(text.find(what), what.size(), with);
}

TEST(InconsistentSystemPrompt, SlipsAreNamedWithTheirPlace) {
  const std::vector<std::pair<std::string, std::string>> slips = {
      {replaced("object", "obejct"), "\"obejct\" in place of \"object\""},
      {replaced("nothing else.", "nothing else"), "\".\" is missing at the end"},
      {replaced("bike shop", "bike  shop"), "2 blanks in place of one blank"},
      {replaced("You are", "you are"), "\"you\" in place of \"You\" at the beginning"},
      {replaced("one ", "one single "), "\"single\" more"},
      {kUsual + "\n", "a line break more at the end"},
  };
  for (const auto& [slip, words] : slips) {
    const auto findings = check(rows(12) + row(slip) + rows(12));
    ASSERT_EQ(findings.size(), 1u) << slip;
    EXPECT_EQ(findings[0].line, 13u);
    EXPECT_EQ(findings[0].message,
              "this system prompt differs a little from that of 24 other rows (line 1): " + words);
    for (const char* place : {"obejct", "single"})
      if (const size_t at = row(slip).find(place); at != std::string::npos) {
        EXPECT_EQ(findings[0].column, at + 1);
      }
  }
}

TEST(InconsistentSystemPrompt, EveryRowOfASlipIsNamed) {
  const auto findings = check(rows(30) + row(kUsual + " ") + row(kUsual + " "));
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[1].line, 32u);
}

TEST(InconsistentSystemPrompt, AMissingOneIsNamed) {
  const auto findings = check(rows(20) + row("") + rows(5));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].line, 21u);
  EXPECT_EQ(findings[0].message, "this row has no system prompt; 25 of 26 rows have one");
}

TEST(InconsistentSystemPrompt, DeliberateVarietyIsNotASlip) {
  EXPECT_TRUE(check(rows(20)).empty());
  EXPECT_TRUE(check(rows(20, "")).empty());
  EXPECT_TRUE(check(rows(10) + rows(10, "")).empty()) << "half without";
  EXPECT_TRUE(check(rows(10) + rows(10, replaced("bike", "book"))).empty()) << "both common";
  EXPECT_TRUE(check(rows(20) + row("Translate into French.")).empty()) << "another task";
  std::string dated, filled = rows(20), personal;
  for (int day = 10; day < 31; ++day) {
    dated += row("Today is 2026-01-" + std::to_string(day) + ". You are the help desk of a bike shop.");
    personal += row("You play a person called number " + std::to_string(day * day) + " of a long story.");
  }
  for (const char* shop : {"book", "tool", "tea", "shoe"}) filled += row(replaced("bike", shop));
  EXPECT_TRUE(check(dated).empty());
  EXPECT_TRUE(check(personal).empty());
  EXPECT_TRUE(check(filled).empty()) << "a place that is filled in";
  EXPECT_TRUE(check(rows(20) + "{\"text\":\"plain\"}\n").empty());
}

}  // namespace
}  // namespace lora
