#include "data/text_difference.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

TEST(TextDifference, SaysWhatIsThereAndWhatWasExpected) {
  const auto words = [](std::string_view text, std::string_view usual) {
    return text_difference(text, usual).words;
  };
  EXPECT_EQ(words("one JSON obejct only", "one JSON object only"), "\"obejct\" in place of \"object\"");
  EXPECT_EQ(words("Be brief", "Be brief."), "\".\" is missing at the end");
  EXPECT_EQ(words("Be brief.  ", "Be brief."), "2 blanks more at the end");
  EXPECT_EQ(words("Be  brief.", "Be brief."), "2 blanks in place of one blank");
  EXPECT_EQ(words("Be very brief.", "Be brief."), "\"very\" more");
  EXPECT_EQ(words("be brief.", "Be brief."), "\"be\" in place of \"Be\" at the beginning");
  EXPECT_EQ(words("Be\nbrief.", "Be brief."), "a line break in place of one blank");
}

TEST(TextDifference, PointsAtThePlace) {
  EXPECT_EQ(text_difference("Grüße an alel", "Grüße an alle").offset, std::string_view("Grüße an ").size());
  EXPECT_EQ(text_difference("Be brief", "Be brief.").offset, 8u);
  EXPECT_EQ(text_difference("", "x").offset, 0u);
}

}  // namespace
}  // namespace lora
