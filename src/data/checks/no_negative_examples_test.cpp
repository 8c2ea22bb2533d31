#include "data/checks/no_negative_examples.h"

#include <gtest/gtest.h>

#include "data/checks/testing.h"

namespace lora {
namespace {

std::vector<testing::Asked> rows_of(size_t n, const std::string& system, const std::string& answer) {
  std::vector<testing::Asked> rows;
  for (size_t i = 0; i < n; ++i)
    rows.push_back({system, "Question " + std::to_string(i),
                    answer + " " + std::to_string(i) + " is what the text says there."});
  return rows;
}
std::vector<Finding> said(const std::vector<testing::Asked>& rows) {
  return testing::said_of(make_no_negative_examples_check(), rows);
}

TEST(NoNegativeExamples, OneFindingForEachPromptWithoutAny) {
  auto rows = rows_of(40, "Answer from the text.", "Number");
  for (auto& row : rows_of(40, "Other task.", "Value")) rows.push_back(row);
  EXPECT_EQ(testing::warned(said(rows)), (std::vector<size_t>{1, 41}));
  rows[3].answer = "I don't know; the text does not say.";
  const auto found = said(rows);
  ASSERT_EQ(testing::warned(found), std::vector<size_t>{41});
  EXPECT_NE(found[0].message.find("none of the 40 answers"), std::string::npos) << found[0].message;
}

TEST(NoNegativeExamples, FewRowsAreNotJudged) {
  EXPECT_TRUE(said(rows_of(15, "Answer.", "Number")).empty());
}

TEST(NoNegativeExamples, PromptsOfTheirOwnAreTakenTogether) {
  std::vector<testing::Asked> rows = rows_of(40, "", "Number");
  for (size_t i = 0; i < rows.size(); ++i) rows[i].system = "Document " + std::to_string(i);
  EXPECT_EQ(said(rows).size(), 1u);
  rows[20].answer = "The document does not mention that.";
  EXPECT_TRUE(said(rows).empty());
}

TEST(NoNegativeExamples, LabelsAndTranslationsAreANoteOnly) {
  std::vector<testing::Asked> rows;
  for (int i = 0; i < 40; ++i)
    rows.push_back({"Classify.", "Text " + std::to_string(i), i % 2 == 0 ? "good" : "bad"});
  ASSERT_EQ(said(rows).size(), 1u);
  EXPECT_EQ(said(rows)[0].severity, Severity::kNote);
  rows[4].answer = "unclear";
  EXPECT_TRUE(said(rows).empty());
  auto translations = rows_of(40, "Translate into French.", "Numéro");
  ASSERT_EQ(said(translations).size(), 1u);
  EXPECT_EQ(said(translations)[0].severity, Severity::kNote);
}

}  // namespace
}  // namespace lora
