#include "data/checks/near_duplicate.h"

#include <gtest/gtest.h>

#include "data/testing.h"

namespace lora {
namespace {

using testing::findings_of;

std::string row(const std::string& question, const std::string& answer, const std::string& more = "") {
  return R"({"messages":[{"role":"user","content":")" + question + R"("},{"role":"assistant","content":")" +
         answer + "\"}]" + more + "}\n";
}

// Questions that have little in common.
std::string others() {
  std::string text;
  for (const char* q :
       {"Where does the Danube end?", "Name three warm colours.", "How long do eggs boil?",
        "Who painted the old harbour?", "Why is my lawn yellow in spring?", "Do cats like rain?"})
    text += row(q, std::string("That depends: ") + q);
  return text;
}

TEST(NearDuplicate, NamesTheOtherLineAndTheSimilarity) {
  const auto findings = findings_of(
      make_near_duplicate_check(),
      others() +
          row("How can I bake bread without an oven at home?", "In a pot with a lid, over a low flame.") +
          row("How could I bake bread without an oven at home?", "In a pot with a lid, over a low flame."));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "near-duplicate");
  EXPECT_EQ(findings[0].line, 8u);
  EXPECT_EQ(findings[0].message, "this row nearly equals line 7 (similarity 0.73)");
}

TEST(NearDuplicate, ExactCopiesAreTheOtherChecksBusiness) {
  const std::string twice = row("How can I bake bread without an oven?", "In a pot.");
  EXPECT_TRUE(findings_of(make_near_duplicate_check(), others() + twice + twice).empty());
}

TEST(NearDuplicate, GoldenRowsMayHaveNone) {
  const std::string golden = row("How can I bake bread without an oven?", "In a pot.", R"(,"golden":true)");
  auto findings = findings_of(make_near_duplicate_check(),
                              others() + golden + row("How can I bake bread without an oven?", "In a pot."));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "golden-problem");
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_EQ(findings[0].line, 7u);
  EXPECT_EQ(findings[0].message, "this golden row equals line 8");

  findings = findings_of(make_near_duplicate_check(),
                         others() + row("HOW can I bake bread without an oven", "In a pot.") + golden);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].line, 8u);
  EXPECT_EQ(findings[1].line, 8u);
  EXPECT_EQ(findings_of(make_near_duplicate_check(), others() + golden).size(), 0u);
}

TEST(NearDuplicate, NumbersTellRowsApart) {
  std::string text;
  for (int i = 10; i < 60; ++i)
    text += row("What is " + std::to_string(i) + " plus 7, written as one number?", std::to_string(i + 7));
  EXPECT_TRUE(findings_of(make_near_duplicate_check(), text).empty());
}

TEST(NearDuplicate, ATemporaryFileChangesNothing) {
  std::string text = others() + row("HOW can I bake bread without an oven", "In a pot.") +
                     row("How can I bake bread without an oven?", "In a pot.");
  const auto a = findings_of(make_near_duplicate_check(), text),
             b = findings_of(make_near_duplicate_check(0), text);
  ASSERT_EQ(a.size(), 1u);
  ASSERT_EQ(b.size(), 1u);
  EXPECT_EQ(a[0].message, b[0].message);
}

}  // namespace
}  // namespace lora
