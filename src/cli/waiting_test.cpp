#include "cli/waiting.h"

#include <gtest/gtest.h>

namespace lora::cli {
namespace {

TEST(SpinCount, IsLongWhereNothingElseRuns) {
  EXPECT_STREQ(spin_count("0.42 0.40 0.30 1/275 4711\n"), "1000000");
  EXPECT_STREQ(spin_count("3.83 4.73 3.30 0/75 16233\n"), "1000000");
  EXPECT_STREQ(spin_count("0.00 0.00 0.00 2/275 4711\n"), "10000");
  EXPECT_STREQ(spin_count("9.00 9.00 9.00 12/275 4711\n"), "10000");
}

TEST(SpinCount, IsShortWhereTheSystemDoesNotSay) {
  for (const char* load : {"", "/", "1/2", "0.1 0.1 0.1", "0.1 0.1 0.1 x/5 7", "0.1 0.1 0.1 1x/5 7", " /",
                           "0.00 0.00 0.00 0/0 0", "0.1 0.1 0.1 1/", "0.1 0.1 0.1 1/x"})
    EXPECT_STREQ(spin_count(load), "10000") << load;
}

}  // namespace
}  // namespace lora::cli
