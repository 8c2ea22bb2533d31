#include "data/near_groups.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

std::string in_words(const std::vector<TextPart>& parts) {
  std::string out;
  for (const TextPart& part : parts)
    out.append(part.differs ? "[" : "").append(part.text).append(part.differs ? "]" : "");
  return out;
}

TEST(NearGroups, MarksTheWordsThatDiffer) {
  const auto [a, b] = marked_difference("Where is the red key, please?", "Where is the blue key?");
  EXPECT_EQ(in_words(a), "Where is the [red ]key[, please]?");
  EXPECT_EQ(in_words(b), "Where is the [blue ]key?");
  const auto [c, d] = marked_difference("same", "same");
  EXPECT_EQ(in_words(c), "same");
  EXPECT_EQ(in_words(d), "same");
  const auto [e, f] = marked_difference("", "new");
  EXPECT_EQ(in_words(e), "");
  EXPECT_EQ(in_words(f), "[new]");
  const auto [g, h] = marked_difference("Größe \xff", "größe \xff");
  EXPECT_EQ(in_words(g), "[Größe ]\xff");
  EXPECT_EQ(in_words(h), "[größe ]\xff");
}

TEST(NearGroups, CutsLongTextsThatAreAlike) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "word ";
  const auto [a, b] = marked_difference(text + "old " + text, text + "new " + text, 20);
  EXPECT_LT(in_words(a).size(), 100u);
  EXPECT_NE(in_words(b).find("[new ]"), std::string::npos) << in_words(b);
  EXPECT_EQ(in_words(marked_difference(text, text, 20).first).size(), 43u);
  std::string sharp;
  for (int i = 0; i < 200; ++i) sharp += "ß";
  EXPECT_EQ(in_words(marked_difference(sharp + " a", sharp + " b", 21).first), "… ßßßßßßßßßß [a]");
}

TEST(NearGroups, TiesRowsAndLeavesCopiesOut) {
  std::vector<Conversation> rows(6);
  const auto fill = [&](size_t i, const std::string& question) {
    rows[i].messages = {{.role = "user", .content = question},
                        {.role = "assistant", .content = "It is here."}};
  };
  fill(0, "Where is it?");
  fill(1, "Where is it??");
  fill(2, "something else");
  fill(3, "Where is it?");
  fill(4, "Where IS it?");
  fill(5, "something else");
  const std::vector<uint64_t> hashes{1, 2, 3, 1, 4, 3};
  const std::vector<size_t> lines{10, 20, 30, 40, 50, 60};
  const auto found = near_groups({{0, 1, 0.9}, {1, 3, 0.9}, {0, 4, 0.8}, {2, 5, 1.0}}, lines, hashes,
                                 [&](size_t i) { return rows.at(i); });
  EXPECT_EQ(found.found, 1u) << "two copies are no group";
  ASSERT_EQ(found.groups.size(), 1u);
  const NearGroup& group = found.groups[0];
  EXPECT_EQ(group.size, 3u);
  ASSERT_EQ(group.rows.size(), 3u);
  EXPECT_EQ(group.rows[2].line, 50u);
  EXPECT_DOUBLE_EQ(group.rows[2].similarity, 0.8);
  EXPECT_EQ(in_words(group.rows[1].question), "Where is it?[?]");
  EXPECT_EQ(in_words(group.rows[2].question), "Where [IS ]it?");
  EXPECT_EQ(in_words(group.rows[0].answer), "It is here.");
}

}  // namespace
}  // namespace lora
