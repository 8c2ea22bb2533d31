// Which examples the base is shown.
#include "run/few_shot.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace lora {
namespace {

Conversation row(const std::string& system, const std::string& question, const std::string& answer) {
  Conversation c;
  if (!system.empty()) c.messages.push_back({"system", system});
  c.messages.push_back({"user", question});
  c.messages.push_back({"assistant", answer});
  return c;
}

std::vector<std::string> answers_shown(const std::vector<Message>& prompt) {
  std::vector<std::string> answers;
  for (const Message& m : prompt)
    if (m.role == "assistant") answers.push_back(m.content);
  return answers;
}

TEST(FewShot, ExamplesStandBetweenSystemMessageAndQuestion) {
  const FewShotExamples examples({row("s", "q1", "a1"), row("s", "q2", "a2"), row("other", "q3", "a3")}, 0);
  const auto prompt = examples.prompt(row("s", "q", "secret"), 8);
  ASSERT_EQ(prompt.size(), 6u);
  EXPECT_EQ(prompt.front().content, "s");
  EXPECT_EQ(prompt.back().content, "q");
  for (const Message& m : prompt) {
    EXPECT_NE(m.content, "secret");
    EXPECT_NE(m.content, "a3") << "of another system prompt";
  }
  EXPECT_EQ(examples.prompt(row("s", "q", "a"), 1).size(), 4u);
  EXPECT_EQ(examples.prompt(row("unknown", "q", "a"), 8).size(), 2u);
  EXPECT_TRUE(examples.any_for({row("unknown", "q", "a"), row("other", "q", "a")}));
  EXPECT_FALSE(examples.any_for({row("", "q", "a")}));
}

TEST(FewShot, EveryAnswerIsShownBeforeOneIsShownTwice) {
  std::vector<Conversation> rows;
  for (int i = 0; i < 40; ++i)
    rows.push_back(row("", fmt::format("q{}", i), i < 36 ? "no" : i < 38 ? "yes" : "unclear"));
  for (uint64_t seed = 0; seed < 5; ++seed) {
    auto shown = answers_shown(FewShotExamples(rows, seed).prompt(row("", "q", "a"), 3));
    std::ranges::sort(shown);
    EXPECT_EQ(shown, (std::vector<std::string>{"no", "unclear", "yes"}));
  }
}

TEST(FewShot, TheOrderOfTheFileDoesNotMatterAndTheSeedDoes) {
  std::vector<Conversation> rows;
  for (int i = 0; i < 30; ++i) rows.push_back(row("", fmt::format("q{}", i), fmt::format("a{}", i)));
  const auto one = FewShotExamples(rows, 1).prompt(row("", "q", "a"), 8);
  std::ranges::reverse(rows);
  EXPECT_EQ(FewShotExamples(rows, 1).prompt(row("", "q", "a"), 8), one);
  EXPECT_NE(FewShotExamples(rows, 2).prompt(row("", "q", "a"), 8), one);
}

TEST(FewShot, RowsOfSeveralTurnsAreNoExamplesButAreAsked) {
  Conversation talk = row("", "q1", "a1");
  talk.messages.push_back({"user", "q2"});
  talk.messages.push_back({"assistant", "a2"});
  EXPECT_FALSE(FewShotExamples({talk}, 0).any_for({talk}));
  const auto prompt = FewShotExamples({row("", "x", "y")}, 0).prompt(talk, 3);
  ASSERT_EQ(prompt.size(), 5u);
  EXPECT_EQ(prompt[0].content, "x");
  EXPECT_EQ(prompt[2].content, "q1");
  EXPECT_EQ(prompt[4].content, "q2");
}

}  // namespace
}  // namespace lora
