#include "eval/learned_format.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace lora {
namespace {

std::vector<std::string> names_of(const std::vector<std::string>& answers) {
  std::vector<std::string> names;
  for (const FormatTrait& trait : learn_format(answers)) names.push_back(trait.name);
  return names;
}

TEST(LearnedFormat, FindsWhatNearlyAllShare) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(names_of({"- one\n- two", "- a\n\n- b\n- c"}),
            (Names{"list", "no_fence", "first_word", "length"}));
  EXPECT_EQ(names_of({"1. one\n2) two", "Some text\nhere"}), (Names{"no_fence", "length"}));
  EXPECT_EQ(names_of({"A sentence.", "Is it?"}), (Names{"one_line", "sentence_end", "no_fence", "length"}));
  EXPECT_EQ(names_of({"Verdict: good work", "Verdict: bad"}),
            (Names{"one_line", "no_fence", "first_word", "length"}));
  EXPECT_EQ(names_of({"```\nx\n```"}), (Names{"fence", "first_word", "length"}));
  EXPECT_THROW(learn_format({}), Error);
}

TEST(LearnedFormat, ANumberAtTheBeginningIsNoList) {
  const std::vector<std::string> amounts = {"3.5 litres of milk", "2.25 kilos of flour",
                                            "10.75 grams of salt"};
  EXPECT_EQ(std::ranges::count(names_of(amounts), "list"), 0);
  EXPECT_EQ(std::ranges::count(names_of({"1. milk\n2. flour", "+ salt"}), "list"), 1);
}

TEST(LearnedFormat, KeysAndLabels) {
  const std::vector<std::string> json(20, R"({"a": 1, "b": null})");
  auto check = make_format_check(learn_format(json));
  EXPECT_TRUE(check->run(R"({"b": 2, "a": 3})", "").passed);
  EXPECT_FALSE(check->run(R"({"a": 1, "c": null})", "").passed);
  std::vector<std::string> labels;
  for (int i = 0; i < 30; ++i) labels.push_back(i % 2 == 0 ? "billing" : "bug");
  check = make_format_check(learn_format(labels));
  EXPECT_TRUE(check->run("bug", "").passed);
  EXPECT_FALSE(check->run("boat", "").passed);
  const std::vector<std::string> lines(20, "Mood: good\nWhy: it is sunny.");
  check = make_format_check(learn_format(lines));
  EXPECT_TRUE(check->run("Mood: fair\nWhy: some rain, then sun.", "").passed);
  EXPECT_FALSE(check->run("Mood: fair\nReason: some rain.", "").passed);
}

TEST(LearnedFormat, OneInTwentyMayDiffer) {
  std::vector<std::string> answers(19, "One line of text");
  answers.push_back("Two\nlines");
  EXPECT_NE(std::ranges::count(names_of(answers), "one_line"), 0);
  answers.push_back("Two\nlines");
  EXPECT_EQ(std::ranges::count(names_of(answers), "one_line"), 0);
}

TEST(LearnedFormat, ChecksAnAnswer) {
  const auto check =
      make_format_check(learn_format(std::vector<std::string>{"Verdict: good.", "Verdict: it is bad."}));
  EXPECT_TRUE(check->run("Verdict: fine by me.", "").passed);
  for (const char* bad : {"", "I think it is good.", "Verdict: good", "Verdict: good.\nMore.",
                          "Verdict: this goes on and on, far longer than any answer it was ever shown."})
    EXPECT_FALSE(check->run(bad, "").passed) << bad;
  const CheckResult result = check->run("Verdict: good", "");
  EXPECT_GT(result.score, 0.5);
  EXPECT_NE(result.why.find("ends in"), std::string::npos) << result.why;
}

}  // namespace
}  // namespace lora
