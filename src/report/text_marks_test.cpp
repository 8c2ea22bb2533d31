#include "report/text_marks.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

std::vector<TextMark> marks(std::string_view text, std::string_view other) {
  MarkBudget budget;
  return text_marks(text, other, budget);
}

TEST(TextMarks, WordsThatDiffer) {
  EXPECT_TRUE(marks("same", "same").empty());
  EXPECT_EQ(marks("the red house", "the blue house"), (std::vector<TextMark>{{4, 7}}));
  EXPECT_EQ(marks(R"({"age":3})", R"({"age":30})"), (std::vector<TextMark>{{7, 8}}));
  EXPECT_EQ(marks("a b", "a, b"), (std::vector<TextMark>{{1, 1}})) << "something is missing";
  EXPECT_EQ(marks("new", ""), (std::vector<TextMark>{{0, 3}}));
  EXPECT_EQ(marks("", "old"), (std::vector<TextMark>{{0, 0}}));
  EXPECT_EQ(marks("a  b", "a b"), (std::vector<TextMark>{{1, 3}})) << "white space counts";
}

TEST(TextMarks, InHtmlAndInUtf16) {
  const std::string text = "שלום 😀 <x>";
  const std::vector<TextMark> found = marks(text, "שלום 😀 <y>");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(text.substr(found[0].begin, found[0].end - found[0].begin), "x");
  EXPECT_EQ(marked_html(text, found), "שלום 😀 &lt;<mark>x</mark>&gt;");
  EXPECT_EQ(utf16_ends(text, found), (std::vector<size_t>{9, 10}));
  EXPECT_EQ(marked_html("ab", {{1, 1}}), "a<mark class=\"gap\"></mark>b");
  EXPECT_EQ(marked_html("a\xFF", {{1, 2}}), "a<mark>\xEF\xBF\xBD</mark>");
}

TEST(TextMarks, ABudgetIsKept) {
  MarkBudget small(10);
  EXPECT_TRUE(text_marks("a b c d e f", "f e d c b a", small).empty());
  EXPECT_TRUE(small.is_spent());
  EXPECT_TRUE(text_marks("a", "b", small).empty()) << "from then on none";
}

}  // namespace
}  // namespace lora
