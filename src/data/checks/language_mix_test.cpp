#include "data/checks/language_mix.h"

#include <gtest/gtest.h>

#include "data/checks/testing.h"

namespace lora {
namespace {

using testing::Asked;
using Lines = std::vector<size_t>;
std::vector<Finding> said(const std::vector<Asked>& rows) {
  return testing::said_of(make_language_mix_check(), rows);
}
Lines warned(const std::vector<Asked>& rows) {
  return testing::warned(said(rows));
}

constexpr const char* kGerman =
    "Es tut uns leid, dass Ihr Paket noch nicht angekommen ist. Bitte schicken Sie uns ein Foto.";
constexpr const char* kGermanQuestion =
    "Wo ist mein Paket, das ich schon in der letzten Woche bei Ihnen bestellt habe?";

std::vector<Asked> english(size_t n) {
  std::vector<Asked> rows;
  for (size_t i = 0; i < n; ++i)
    rows.push_back({"Be kind.",
                    "Where is the parcel that I ordered last week with number " + std::to_string(i) + "?",
                    "The parcel with the number " + std::to_string(i) +
                        " is at the depot and it will leave there tonight."});
  return rows;
}

TEST(LanguageMix, AnswerInAnotherLanguageThanItsQuestion) {
  auto rows = english(60);
  EXPECT_EQ(warned(rows), Lines{});
  rows[11].answer = kGerman;
  const auto found = said(rows);
  ASSERT_EQ(testing::warned(found), Lines{12});
  EXPECT_EQ(found[0].message, "the answer is in German, its question in English");
  EXPECT_EQ(found[0].column, testing::jsonl_of({rows[11]}).find("Es tut") + 1);
  rows[11].question += " Please answer in German.";
  EXPECT_EQ(warned(rows), Lines{}) << "asked for";
}

TEST(LanguageMix, ShortQuestionsGoByTheOthers) {
  auto rows = english(60);
  for (Asked& row : rows) row.question = "Parcel " + row.question.substr(row.question.size() - 3);
  rows[11].answer = kGerman;
  EXPECT_EQ(warned(rows), Lines{12});
}

TEST(LanguageMix, TranslationIsLeftAlone) {
  std::vector<Asked> rows;
  for (int i = 0; i < 60; ++i)
    rows.push_back(
        {"Translate from German into English.", std::string(kGermanQuestion) + " " + std::to_string(i),
         "Where is the parcel that I ordered from you last week, number " + std::to_string(i) + "?"});
  EXPECT_EQ(warned(rows), Lines{});
  rows[9].answer = rows[9].question;
  EXPECT_EQ(warned(rows), Lines{10}) << "not translated";
  // A few translations in a chat.
  auto chat = english(60);
  for (const size_t i : {5, 25})
    chat[i] = {"Be kind.", "How do you say this in German: we are sorry that the parcel has not come yet?",
               kGerman};
  EXPECT_EQ(warned(chat), Lines{});
}

TEST(LanguageMix, SeveralLanguagesEachWithItsOwnAnswersAreLeftAlone) {
  auto rows = english(60);
  for (const size_t i : {3, 13, 23, 33, 43, 53}) rows[i] = {"Be kind.", kGermanQuestion, kGerman};
  EXPECT_EQ(warned(rows), Lines{});
  auto one = english(60);
  one[3] = {"Be kind.", kGermanQuestion, kGerman};
  EXPECT_EQ(warned(one), Lines{4}) << "a single one strayed in";
}

TEST(LanguageMix, AQuestionAmongQuestionsOfAnotherLanguage) {
  auto rows = english(60);
  for (Asked& row : rows) row.answer = R"({"parcel": true})";
  rows[8].question = kGermanQuestion;
  EXPECT_EQ(warned(rows), Lines{9});
}

TEST(LanguageMix, AFewForeignQuestionsWithLabelsForAnswers) {
  auto rows = english(100);
  for (Asked& row : rows) row.answer = "urgent";
  for (const size_t i : {8, 40, 71}) rows[i].question = kGermanQuestion;
  EXPECT_EQ(warned(rows), (Lines{9, 41, 72}));
  for (const size_t i : {9, 41, 72, 80}) rows[i].question = kGermanQuestion;
  EXPECT_EQ(warned(rows), Lines{}) << "a data set in two languages";
}

TEST(LanguageMix, HalfWay) {
  auto rows = english(60);
  rows[8].answer =
      "The parcel is at the depot and it will leave there tonight, as soon as the driver has come back from "
      "his other round. "
      "Bitte schicken Sie uns dann noch ein Foto von dem Karton, damit wir sehen können, ob er auf dem Weg "
      "nicht beschädigt worden ist.";
  const auto found = said(rows);
  ASSERT_EQ(testing::warned(found), Lines{9});
  EXPECT_NE(found[0].message.find("begins in English and goes on in German"), std::string::npos)
      << found[0].message;
}

TEST(LanguageMix, CodeAndJsonHaveNoLanguage) {
  std::vector<Asked> rows;
  for (int i = 0; i < 60; ++i)
    rows.push_back({"", kGermanQuestion,
                    i % 2 == 0 ? "```sql\nSELECT the FROM this WHERE it IS NOT that AND is;\n```"
                               : R"({"note": "this is the parcel that was not there"})"});
  EXPECT_EQ(warned(rows), Lines{});
}

}  // namespace
}  // namespace lora
