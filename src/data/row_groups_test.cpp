#include "data/row_groups.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace lora {
namespace {

Conversation talk(const std::vector<std::string>& turns) {
  Conversation row;
  for (size_t i = 0; i < turns.size(); ++i)
    row.messages.push_back({.role = i % 2 == 0 ? "user" : "assistant", .content = turns[i]});
  return row;
}

std::string name(size_t i) {
  std::string word;
  for (size_t k = i * 7 + 3; word.empty() || k > 0; k /= 26) word += static_cast<char>('a' + k % 26);
  return word;
}

// Rows that belong to no one.
std::vector<Conversation> fillers(size_t n) {
  std::vector<Conversation> rows;
  for (size_t i = 0; i < n; ++i)
    rows.push_back(talk({"tell me of " + name(i), name(i) + " is " + name(i + 900)}));
  return rows;
}

TEST(RowGroups, FoldDigitsUnlessNumbersAreTheContent) {
  std::vector<Conversation> rows = fillers(60);
  rows.push_back(talk({"Ship order 17 today", "a"}));
  rows.push_back(talk({"ship order 2044  today", "b"}));
  auto groups = near_duplicate_groups(rows);
  EXPECT_EQ(groups[60], groups[61]);
  EXPECT_EQ(std::set<uint64_t>(groups.begin(), groups.end()).size(), 61u);
  std::vector<Conversation> sums;
  for (int i = 0; i < 60; ++i) sums.push_back(talk({"What is " + std::to_string(i) + " + 7?", "a"}));
  groups = near_duplicate_groups(sums);
  EXPECT_EQ(std::set<uint64_t>(groups.begin(), groups.end()).size(), 60u);
}

TEST(RowGroups, AnswersToOneQuestionStayTogether) {
  std::vector<Conversation> rows = fillers(40);
  rows.push_back(talk({"What's the capital of Peru?", "Lima"}));
  rows.push_back(talk({"what is new", "nothing"}));
  rows.push_back(talk({"Whats the capital of PERU", "Cusco, I think, but ask someone who knows."}));
  const auto groups = near_duplicate_groups(rows);
  EXPECT_EQ(groups[40], groups[42]);
  EXPECT_NE(groups[40], groups[41]);
}

TEST(RowGroups, ConversationsThatBeginAlikeStayTogether) {
  const std::string q = "My bike makes a strange noise when I ride uphill",
                    a = "Does it stop when you stop pedalling?";
  std::vector<Conversation> rows = fillers(40);
  rows.push_back(talk({q, a}));
  rows.push_back(talk({q, a, "Yes.", "Then it is the chain: clean it."}));
  rows.push_back(talk({q, a, "No.", "Then it is the brake: open it a turn."}));
  rows.push_back(talk({q, "Bring it to the shop, please.", "When?", "On Monday."}));
  const auto groups = near_duplicate_groups(rows);
  EXPECT_EQ(groups[40], groups[41]);
  EXPECT_EQ(groups[41], groups[42]);
  EXPECT_NE(groups[41], groups[0]);
}

TEST(RowGroups, AGreetingTiesNothing) {
  std::vector<Conversation> rows = fillers(40);
  for (int i = 0; i < 9; ++i)
    rows.push_back(talk({"Hi", "Hello! How can I help?", "I look for " + name(static_cast<size_t>(i) + 500),
                         "Aisle " + name(static_cast<size_t>(i) + 70)}));
  auto groups = near_duplicate_groups(rows);
  EXPECT_EQ(std::set<uint64_t>(groups.begin() + 40, groups.end()).size(), 9u);
  // One that most conversations share, however long.
  for (auto& row : rows)
    row.messages.insert(
        row.messages.begin(),
        {{.role = "user", .content = "Good day, I would like some advice on what to buy for my garden"},
         {.role = "assistant", .content = "With pleasure: what do you want to grow there?"}});
  groups = near_duplicate_groups(rows);
  EXPECT_EQ(std::set<uint64_t>(groups.begin(), groups.end()).size(), 49u);
}

TEST(RowGroups, AQuestionIsNotPartedFromTheConversationsThatAskItOnTheWay) {
  const std::string q = "My bike makes a strange noise when I ride uphill in the rain";
  std::vector<Conversation> rows = fillers(40);
  rows.push_back(talk({q, "Bring it in."}));
  rows.push_back(talk({q, "Does it stop when you stop pedalling?", "Yes.", "Then it is the chain."}));
  rows.push_back(talk({"Hi", "Good day!"}));
  for (size_t i = 0; i < 9; ++i)
    rows.push_back(talk({"Hi", "Hello.", "I look for " + name(i + 500), "Aisle " + name(i + 70)}));
  const auto groups = near_duplicate_groups(rows);
  EXPECT_EQ(groups[40], groups[41]);
  EXPECT_EQ(std::set<uint64_t>(groups.begin() + 42, groups.end()).size(), 10u) << "a greeting ties nothing";
}

TEST(RowGroups, VeryLongConversationsAreHashedOnce) {
  std::vector<std::string> beginning;
  for (int i = 0; i < 50'000; ++i) {
    beginning.emplace_back("on");
    beginning.emplace_back("ok");
  }
  const auto go_on = [&](const std::vector<std::string>& more) {
    std::vector<std::string> turns = beginning;
    turns.insert(turns.end(), more.begin(), more.end());
    return talk(turns);
  };
  const std::string q = "My bike makes a strange noise when I ride uphill",
                    a = "Does it stop when you stop pedalling?";
  std::vector<Conversation> rows = fillers(40);
  rows.push_back(
      go_on({q, a, "Only on the bridge by the old mill, and never while roads are dry", "The chain."}));
  rows.push_back(
      go_on({q, a, "No, and last week some friend of mine heard it across our square", "The brake."}));
  rows.push_back(
      go_on({"What would six new tyres cost, if my cousin comes for them tomorrow?", "Twenty each."}));
  const auto groups = near_duplicate_groups(rows);
  EXPECT_EQ(groups[40], groups[41]);
  EXPECT_NE(groups[40], groups[42]);
}

TEST(RowGroups, PlainTextIsGrouped) {
  std::vector<Conversation> rows;
  for (size_t i = 0; i < 30; ++i)
    rows.push_back({.messages = {}, .text = "the " + name(i) + " of " + name(i + 300)});
  rows.push_back({.messages = {}, .text = "The  " + name(4) + " of " + name(304) + "."});
  const auto groups = near_duplicate_groups(rows);
  EXPECT_EQ(groups[4], groups[30]);
  EXPECT_EQ(std::set<uint64_t>(groups.begin(), groups.end()).size(), 30u);
}

TEST(ContentHash, SeesAllThatTheModelSees) {
  const Conversation row{
      .messages = {{.role = "user", .content = "a"}, {.role = "assistant", .content = "b"}}};
  const auto differs = [&](auto change) {
    Conversation other = row;
    change(other);
    return content_hash(other) != content_hash(row);
  };
  EXPECT_TRUE(differs([](Conversation& c) { c.messages[1].content = "c"; }));
  EXPECT_TRUE(differs([](Conversation& c) { c.messages[1].tool_calls = "[]"; }));
  EXPECT_TRUE(differs([](Conversation& c) { c.tools = "[]"; }));
  EXPECT_TRUE(differs([](Conversation& c) { c.text = "t"; }));
  EXPECT_FALSE(differs([](Conversation& c) { c.line = 7; }));
  EXPECT_FALSE(differs([](Conversation& c) { c.golden = true; }));
  EXPECT_FALSE(differs([](Conversation& c) { c.tags = {"x"}; }));
}

}  // namespace
}  // namespace lora
