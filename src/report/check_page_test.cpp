#include "report/check_page.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

size_t count(std::string_view text, std::string_view part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

Finding finding(std::string code, Severity severity, size_t line, std::string message) {
  return {.code = std::move(code),
          .severity = severity,
          .line = line,
          .column = 3,
          .message = std::move(message),
          .fix = "Mend it."};
}

CheckPage page_of(std::vector<Finding> findings) {
  Coverage coverage;
  for (size_t i = 0; i < 30; ++i) {
    Conversation row;
    row.messages = {{.role = "system", .content = "</script><script>alert(1)</script> \"q\" 'r'"},
                    {.role = "user", .content = "שאלה <b> מספר " + std::to_string(i)},
                    {.role = "assistant", .content = i % 2 == 0 ? "yes" : "no"}};
    coverage.see(row, i + 1, 20);
  }
  return {.file = "da<ta>.jsonl",
          .subtitle = "30 rows",
          .findings = std::move(findings),
          .data = coverage.summary(2048, true)};
}

TEST(CheckPage, DataNeverBecomesMarkup) {
  const std::string html = check_page_html(
      page_of({finding("mojibake", Severity::kWarning, 4, "</td></script><img src=x onerror=alert(1)>")}));
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_EQ(html.find("<img"), std::string::npos);
  EXPECT_EQ(html.find("<ta>"), std::string::npos);
  EXPECT_EQ(count(html, "<script>"), 1u);
  EXPECT_EQ(count(html, "</script>"), 1u);
  EXPECT_NE(html.find("4:3"), std::string::npos);
}

TEST(CheckPage, TheVerdictGoesByTheWorst) {
  EXPECT_NE(check_page_html(page_of({})).find("verdict ok"), std::string::npos);
  EXPECT_NE(check_page_html(page_of({finding("few-examples", Severity::kNote, 1, "few")})).find("verdict ok"),
            std::string::npos);
  EXPECT_NE(
      check_page_html(page_of({finding("mojibake", Severity::kWarning, 1, "x")})).find("verdict warning"),
      std::string::npos);
  const std::string bad = check_page_html(page_of(
      {finding("mojibake", Severity::kWarning, 1, "x"), finding("invalid-json", Severity::kError, 2, "y")}));
  EXPECT_NE(bad.find("verdict error"), std::string::npos);
  EXPECT_NE(bad.find("1 error<"), std::string::npos);
}

TEST(CheckPage, TheTableIsCutAndSaysSo) {
  std::vector<Finding> findings;
  for (size_t i = 1; i <= 50; ++i) findings.push_back(finding("mojibake", Severity::kWarning, i, "x"));
  findings.push_back(finding("invalid-json", Severity::kError, 51, "the error"));
  CheckPage page = page_of(std::move(findings));
  page.most_findings = 10;
  const std::string html = check_page_html(page);
  EXPECT_EQ(count(html, "<tr data-s="), 10u);
  EXPECT_NE(html.find("the error"), std::string::npos) << "errors first";
  EXPECT_NE(html.find("10 of 51 findings"), std::string::npos);
}

TEST(CheckPage, ShowsNearDuplicatesWithWhatDiffers) {
  CheckPage page = page_of({});
  EXPECT_EQ(check_page_html(page).find("Near duplicates"), std::string::npos);
  page.near_groups = {.groups = {{.rows = {{.line = 3,
                                            .similarity = 1,
                                            .question = {{"Where is the "}, {"<b>", true}},
                                            .answer = {{"Here."}}},
                                           {.line = 9,
                                            .similarity = 0.86,
                                            .question = {{"Where is the "}, {"key", true}},
                                            .answer = {{"Here."}}}},
                                  .size = 5}},
                      .found = 4};
  const std::string html = check_page_html(page);
  EXPECT_NE(html.find("Where is the <mark>key</mark>"), std::string::npos);
  EXPECT_NE(html.find("<mark>&lt;b&gt;</mark>"), std::string::npos);
  for (const char* words : {"line 9", "0.86", "and 3 more", "largest 1 of 4 groups"})
    EXPECT_NE(html.find(words), std::string::npos) << words;
}

TEST(CheckPage, AnEmptyFileHasAPageToo) {
  EXPECT_NE(
      check_page_html({.file = "empty.jsonl", .subtitle = "", .findings = {}, .data = {}}).find("None."),
      std::string::npos);
}

}  // namespace
}  // namespace lora
