// Which checkpoints are contestants, and what is told before the training.
#include "run/other_adapters.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lora {
namespace {

JudgingConfig named(const std::vector<std::string>& checkpoints) {
  JudgingConfig config;
  for (const std::string& checkpoint : checkpoints) {
    ContestantSettings& settings = config.contestants.emplace_back();
    settings.checkpoint = checkpoint;
    settings.place = "my.toml:3:1";
  }
  return config;
}

TEST(OtherAdapters, ACheckpointThatIsNeverTakenIsRefusedBeforeTheTraining) {
  EXPECT_NO_THROW(check_checkpoints(named({"step-10", "step-20", "step-25", "last"}), 10, 25));
  for (const char* never : {"step-5", "step-24", "step-30"}) {
    try {
      check_checkpoints(named({never}), 10, 25);
      ADD_FAILURE() << never;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      const std::string text = error.what();
      EXPECT_NE(text.find("my.toml:3:1"), std::string::npos) << text;
      EXPECT_NE(text.find("a multiple of 10, or 25"), std::string::npos) << text;
    }
  }
}

TEST(OtherAdapters, WhatIsNamedIsKept) {
  EXPECT_TRUE(names_checkpoint(named({"all"}), 10, 10, 25));
  EXPECT_TRUE(names_checkpoint(named({"step-10", "last"}), 10, 10, 25));
  EXPECT_TRUE(names_checkpoint(named({"last"}), 25, 10, 25));
  EXPECT_FALSE(names_checkpoint(named({"last", "step-20"}), 10, 10, 25));
  EXPECT_FALSE(names_checkpoint({}, 10, 10, 25));
  for (const int64_t stopped : {0, 7, 24})
    EXPECT_FALSE(names_checkpoint(named({"all"}), stopped, 10, 25)) << stopped;
  EXPECT_EQ(count_named_checkpoints(named({"all"}), 10, 25), 3);
  EXPECT_EQ(count_named_checkpoints(named({"step-10", "last"}), 10, 25), 2);
  EXPECT_EQ(count_named_checkpoints({}, 10, 25), 0);
}

}  // namespace
}  // namespace lora
