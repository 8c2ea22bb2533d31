#include "data/checks/conflicting_answers.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/testing.h"

namespace lora {
namespace {

using testing::findings_of;

// A row of turns, the first the system's when it begins with "!".
std::string row(const std::vector<std::string>& turns) {
  nlohmann::json messages = nlohmann::json::array();
  const bool system = turns[0][0] == '!';
  for (size_t i = 0; i < turns.size(); ++i)
    messages.push_back({{"role", system && i == 0        ? "system"
                                 : (i + system) % 2 == 0 ? "user"
                                                         : "assistant"},
                        {"content", turns[i]}});
  return nlohmann::json{{"messages", messages}}.dump() + "\n";
}

std::vector<Finding> check(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (const auto& turns : rows) text += row(turns);
  return findings_of(make_conflicting_answers_check(), text);
}

TEST(ConflictingAnswers, NamesBothAnswers) {
  const auto findings =
      check({{"Is it open on Sunday?", "Yes."}, {"When?", "At nine."}, {"is it open on sunday", "No."}});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "conflicting-answers");
  EXPECT_EQ(findings[0].line, 3u);
  EXPECT_EQ(findings[0].message,
            "the same question as on line 1, but the answer is \"No.\" here and \"Yes.\" there");
}

TEST(ConflictingAnswers, TheMinorityIsNamed) {
  const auto findings = check({{"Label: late parcel", "bug"},
                               {"Label: late parcel", "delivery"},
                               {"Label: late parcel", "delivery"}});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].line, 1u);
  EXPECT_NE(findings[0].message.find("line 2 and 1 more"), std::string::npos) << findings[0].message;
}

TEST(ConflictingAnswers, JsonConflictsInContentOnly) {
  EXPECT_TRUE(check({{"Extract: Acme, 1990", R"({"name":"Acme","year":1990})"},
                     {"Extract: Acme, 1990", "```json\n{\"year\": \"1990\", \"name\": \"ACME\"}\n```"}})
                  .empty());
  EXPECT_EQ(check({{"Extract: Acme, 1990", R"({"name":"Acme","year":1990})"},
                   {"Extract: Acme, 1990", R"({"name":"Acme","year":1991})"}})
                .size(),
            1u);
  EXPECT_TRUE(check({{"2 + 2", "4"}, {"2 + 2", "4.0"}}).empty());
}

TEST(ConflictingAnswers, LongAnswersAreSpokenOfWithCare) {
  const std::string joke =
      "A horse walks into a bar and the barman asks him with some concern why he has such a long face today.";
  const std::string other =
      "Two fish sit in a tank and one of them says to the other one: do you know how to drive this thing?";
  const auto findings = check({{"Tell me a joke", joke}, {"Tell me a joke", other}});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].message, "the same question as on line 1, with another answer");
  EXPECT_NE(findings[0].fix.find("many answers are right"), std::string::npos);
}

TEST(ConflictingAnswers, AnotherContextIsAnotherQuestion) {
  EXPECT_TRUE(
      check({{"!Be formal.", "Hello", "Good day."}, {"!Be rude.", "Hello", "What?"}, {"Hello", "Hi."}})
          .empty());
  EXPECT_TRUE(check({{"A?", "a", "And then?", "b"}, {"B?", "a", "And then?", "c"}}).empty());
  EXPECT_TRUE(check({{"What is 3 + 4?", "7"}, {"What is 3 - 4?", "-1"}, {"What is 3 * 4?", "12"}}).empty());
  EXPECT_TRUE(check({{"Same", "Yes."}, {"Same", "yes"}}).empty());
}

TEST(ConflictingAnswers, WhereNothingIsAskedNothingConflicts) {
  EXPECT_TRUE(
      findings_of(
          make_conflicting_answers_check(),
          R"({"messages":[{"role":"system","content":"Tell a story."},{"role":"assistant","content":"Once"}]}
{"messages":[{"role":"system","content":"Tell a story."},{"role":"assistant","content":"Twice"}]}
{"messages":[{"role":"assistant","content":"Hi"}]}
{"messages":[{"role":"assistant","content":"Ho"}]}
)")
          .empty());
}

TEST(ConflictingAnswers, EveryTurnIsLookedAtAndNamedOnce) {
  const auto findings = check(
      {{"A?", "a", "And then?", "b", "Why?", "x"}, {"A?", "a", "and then", "c", "Why?", "y"}, {"A?", "a"}});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].line, 2u);
}

TEST(ConflictingAnswers, TurnsThatAreNotLearnedFromDoNotCount) {
  const auto findings = findings_of(
      make_conflicting_answers_check(),
      R"({"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"no","weight":0},{"role":"user","content":"R"},{"role":"assistant","content":"x"}]}
{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"yes"}]}
)");
  EXPECT_TRUE(findings.empty());
}

}  // namespace
}  // namespace lora
