#include "data/checks/duplicate.h"

#include <gtest/gtest.h>

#include "data/testing.h"

namespace lora {
namespace {

using testing::findings_of;

TEST(Duplicate, NamesTheFirstLine) {
  const auto findings =
      findings_of(make_duplicate_check(),
                  R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}
{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"c"}]}
{"messages": [{"content":"\u0061","role":"user"}, {"role":"assistant","content":"b"}], "tags": ["x"]}
{"text":"a"}
{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}
{"text":"a"}
)");
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(findings[0].code, "duplicate");
  EXPECT_EQ(findings[0].severity, Severity::kWarning);
  EXPECT_EQ(findings[0].line, 3u);
  EXPECT_EQ(findings[0].message, "this row equals line 1");
  EXPECT_EQ(findings[1].line, 5u);
  EXPECT_EQ(findings[1].message, "this row equals line 1");
  EXPECT_EQ(findings[2].line, 6u);
  EXPECT_EQ(findings[2].message, "this row equals line 4");
}

TEST(Duplicate, RowsThatDifferAreNone) {
  EXPECT_TRUE(findings_of(make_duplicate_check(),
                          R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}
{"messages":[{"role":"user","content":"a "},{"role":"assistant","content":"b"}]}
{"messages":[{"role":"system","content":""},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}
{"messages":[{"role":"user","content":"ab"},{"role":"assistant","content":""}]}
{"text":"ab"}
)")
                  .empty());
}

}  // namespace
}  // namespace lora
