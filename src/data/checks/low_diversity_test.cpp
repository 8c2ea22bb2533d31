#include "data/checks/low_diversity.h"

#include <gtest/gtest.h>

#include "data/checks/testing.h"

namespace lora {
namespace {

using testing::Asked;
std::vector<Finding> said(const std::vector<Asked>& rows) {
  return testing::said_of(make_low_diversity_check(), rows);
}

std::string own(size_t i) {
  return "Case " + std::to_string(i * 31) + " went to office " + std::to_string(i * 17 % 50) +
         ", where clerk " + std::to_string(i) + " will answer it by letter.";
}
std::vector<Asked> rows_of(size_t n) {
  std::vector<Asked> rows;
  for (size_t i = 0; i < n; ++i)
    rows.push_back({"Help.",
                    "Question number " + std::to_string(i * i) + " about thing " + std::to_string(i * 7),
                    own(i)});
  return rows;
}

TEST(LowDiversity, EqualAnswers) {
  auto rows = rows_of(100);
  EXPECT_TRUE(said(rows).empty());
  for (size_t i = 0; i < 100; ++i)
    if (i % 10 < 4) rows[i].answer = "Thank you for your message. We will look into it as soon as we can.";
  const auto found = said(rows);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].message.find("40 of 100 answers are the same"), std::string::npos) << found[0].message;
  for (Asked& row : rows)
    if (row.answer.starts_with("Thank"))
      row.answer = "I am sorry, but I cannot help with that question at all.";
  EXPECT_TRUE(said(rows).empty()) << "one way to refuse is good style";
}

TEST(LowDiversity, OneClassForNearlyAll) {
  std::vector<Asked> rows;
  for (int i = 0; i < 100; ++i)
    rows.push_back({"Spam or ham?", "Mail " + std::to_string(i), i % 20 == 0 ? "spam" : "ham"});
  ASSERT_EQ(said(rows).size(), 1u);
  for (int i = 0; i < 100; ++i) rows[static_cast<size_t>(i)].answer = i % 5 == 0 ? "spam" : "ham";
  EXPECT_TRUE(said(rows).empty());
}

TEST(LowDiversity, EqualOpenings) {
  auto rows = rows_of(60);
  for (size_t i = 0; i < rows.size(); ++i)
    if (i % 10 != 0) rows[i].answer = "Thank you for reaching out! " + own(i);
  const auto found = said(rows);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].message.find("begin with the same 4 words"), std::string::npos) << found[0].message;
}

TEST(LowDiversity, QuestionsOfFewWords) {
  std::vector<Asked> rows;
  for (size_t i = 0; i < 400; ++i)
    rows.push_back(
        {"", i % 2 == 0 ? "tell me the news of the day now please" : "what is the news of the day now please",
         own(i)});
  ASSERT_EQ(said(rows).size(), 1u);
  EXPECT_NE(said(rows)[0].message.find("hardly vary"), std::string::npos);
}

TEST(LowDiversity, TemplatesAndJsonAreLeftAlone) {
  std::vector<Asked> rows;
  for (size_t i = 0; i < 200; ++i)
    rows.push_back({"",
                    "Extract the year from the following text: firm " + std::to_string(i * 13) +
                        " began in " + std::to_string(1900 + i),
                    R"({"kind": "firm", "year": )" + std::to_string(1900 + i) + "}"});
  EXPECT_TRUE(said(rows).empty());
}

}  // namespace
}  // namespace lora
