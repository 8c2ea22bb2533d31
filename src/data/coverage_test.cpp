#include "data/coverage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>

namespace lora {
namespace {

Conversation asked(const std::string& system, const std::string& question, const std::string& answer) {
  Conversation row;
  if (!system.empty()) row.messages.push_back({.role = "system", .content = system});
  row.messages.push_back({.role = "user", .content = question});
  row.messages.push_back({.role = "assistant", .content = answer});
  return row;
}

constexpr const char* kKitchen[] = {"onions", "butter", "pepper", "garlic", "flour", "cream"};
constexpr const char* kGarage[] = {"brakes", "engine", "gearbox", "clutch", "tyres", "exhaust"};

std::string question(size_t i) {
  const auto& words = i % 2 == 0 ? kKitchen : kGarage;
  return std::string("How about ") + words[i / 2 % 6] + ", " + words[i / 12 % 6] + " with " +
         words[(i / 5 + 3) % 6] + " number " + std::to_string(i) + "?";
}

TEST(Lengths, QuantilesAndReadableBins) {
  std::vector<uint32_t> lengths;
  for (uint32_t i = 1; i <= 1000; ++i) lengths.push_back(i);
  lengths.push_back(100000);
  const LengthSummary s = summarize_lengths(lengths, 20);
  EXPECT_EQ(s.least, 1u);
  EXPECT_EQ(s.median, 501u);
  EXPECT_EQ(s.most, 100000u);
  EXPECT_EQ(s.bin_width, 50u);
  size_t total = 0;
  for (const size_t bin : s.bins) total += bin;
  EXPECT_EQ(total, 1001u);
  EXPECT_EQ(summarize_lengths({}).count, 0u);
}

TEST(Coverage, CountsWhatIsThere) {
  Coverage coverage;
  for (size_t i = 0; i < 100; ++i)
    coverage.see(asked(i % 4 == 0 ? "Prompt A" : "Prompt B", question(i),
                       i % 10 == 0 ? "I do not know." : R"({"a": 1})"),
                 i + 1, i);
  const DataSummary s = coverage.summary(90, true);
  EXPECT_EQ(s.rows, 100u);
  EXPECT_EQ(s.negative, 10u);
  ASSERT_EQ(s.prompts.size(), 2u);
  EXPECT_EQ(s.prompts[0].text, "Prompt B");
  EXPECT_EQ(s.prompts[0].rows, 75u);
  EXPECT_EQ(s.prompts[1].negative, 5u);
  EXPECT_EQ(s.rows_over, 9u);
  EXPECT_EQ(s.formats[0].name, "JSON with the key a");
  EXPECT_EQ(s.formats[0].count, 90u);
  EXPECT_TRUE(s.classes.empty());
}

TEST(Coverage, TopicsPartTwoTopics) {
  Coverage coverage;
  for (size_t i = 0; i < 200; ++i) coverage.see(asked("", question(i), "Yes."), i + 1, 9);
  const DataSummary s = coverage.summary(0, true);
  ASSERT_GE(s.topics.size(), 2u);
  // No topic mixes kitchen and garage.
  for (const auto& topic : s.topics) {
    const auto has = [&](const auto& words) {
      return std::ranges::any_of(
          topic.words, [&](const std::string& w) { return std::ranges::find(words, w) != std::end(words); });
    };
    EXPECT_FALSE(has(kKitchen) && has(kGarage));
    EXPECT_GE(topic.example_line, 1u);
  }
  std::set<size_t> clusters_of[2];
  for (const auto& p : s.points) clusters_of[(p.line - 1) % 2].insert(p.cluster);
  std::vector<size_t> both;
  std::ranges::set_intersection(clusters_of[0], clusters_of[1], std::back_inserter(both));
  EXPECT_TRUE(both.empty());
}

TEST(Coverage, IsDeterministic) {
  const auto words = [] {
    Coverage coverage;
    for (size_t i = 0; i < 300; ++i) coverage.see(asked("", question(i), "Yes."), i + 1, 9);
    std::string out;
    for (const auto& t : coverage.summary(0, true).topics)
      for (const auto& w : t.words) out += w + " ";
    return out;
  };
  EXPECT_EQ(words(), words());
}

TEST(Coverage, NamesWhatOnlyTheHeldOutSetHas) {
  Coverage train, same, other;
  for (size_t i = 0; i < 200; ++i)
    train.see(asked("Help.", question(i), i % 2 == 0 ? "red" : "blue"), i + 1, 9);
  for (size_t i = 0; i < 40; ++i)
    same.see(asked("Help.", question(i * 3 + 1), i % 2 == 0 ? "red" : "blue"), i + 1, 9);
  EXPECT_TRUE(train.gaps(same).empty()) << train.gaps(same)[0];
  for (size_t i = 0; i < 40; ++i)
    other.see(asked("Other.",
                    i % 2 == 0 ? question(i)
                               : "Which violin, cello or oboe plays sonata " + std::to_string(i) + "?",
                    i < 5    ? "green"
                    : i < 10 ? R"({"a": null})"
                             : "red"),
              i + 1, 9);
  std::string said;
  for (const std::string& gap : train.gaps(other)) said += gap + "\n";
  EXPECT_NE(said.find("40 of 40 held-out rows have a system prompt that no row here has"), std::string::npos)
      << said;
  EXPECT_NE(said.find("5 held-out answers are labels that no answer here is: \"green\""), std::string::npos)
      << said;
  EXPECT_NE(said.find("5 held-out answers are JSON"), std::string::npos) << said;
  EXPECT_NE(said.find("20 of 40 held-out questions are about what no question here is about: violin"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("say no or leave a field empty"), std::string::npos) << said;
}

TEST(Coverage, FewOrEmptyRowsAreNoProblem) {
  Coverage none;
  EXPECT_EQ(none.summary(10, true).rows, 0u);
  Coverage one;
  one.see(asked("", "", "x"), 1, 1);
  EXPECT_TRUE(one.summary(10, true).topics.empty());
  EXPECT_NO_THROW(one.gaps(none));
  Coverage alike;
  for (size_t i = 0; i < 50; ++i) alike.see(asked("", "the same question again", "x"), i + 1, 1);
  EXPECT_NO_THROW(alike.summary(10, true));
}

}  // namespace
}  // namespace lora
