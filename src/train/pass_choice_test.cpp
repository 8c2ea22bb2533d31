#include "train/pass_choice.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lora {
namespace {

constexpr int64_t kMB = 1'000'000;

// 300 MB for all else; a token keeps 0.8 MB, 0.4 or 0.1.
int64_t bytes_of(int64_t tokens, Recompute recompute) {
  const int64_t a_token = recompute == Recompute::kNone    ? 800'000
                          : recompute == Recompute::kCheap ? 400'000
                                                           : 100'000;
  return 300 * kMB + tokens * a_token;
}

PassChoice choose(int64_t megabytes, PassLimits limits = {.micro_batch_tokens = 1024, .longest_row = 40}) {
  limits.memory_limit = megabytes * kMB;
  return choose_passes(limits, bytes_of, "Buy memory.");
}

TEST(PassChoice, NothingIsChangedWhereItFits) {
  const PassChoice choice = choose(2000);
  EXPECT_EQ(choice.micro_batch_tokens, 1024);
  EXPECT_EQ(choice.recompute, Recompute::kNone);
}

TEST(PassChoice, SmallerPassesBeforeWorkIsDoneAgain) {
  for (const int64_t megabytes : {1000, 600, 450}) {
    const PassChoice choice = choose(megabytes);
    EXPECT_EQ(choice.recompute, Recompute::kNone) << megabytes;
    EXPECT_LT(choice.micro_batch_tokens, 1024);
    EXPECT_LE(choice.bytes, megabytes * kMB);
  }
}

TEST(PassChoice, WorkIsDoneAgainBeforePassesBecomeTiny) {
  const PassChoice choice = choose(360);
  EXPECT_NE(choice.recompute, Recompute::kNone);
  EXPECT_GT(choice.micro_batch_tokens, 100);
  EXPECT_LE(choice.bytes, 360 * kMB);
}

// Nothing that fits is faster: tried one by one.
TEST(PassChoice, TheFastestThatFitsIsTaken) {
  for (int64_t megabytes = 310; megabytes < 1200; megabytes += 10) {
    const PassChoice choice = choose(megabytes);
    const double chosen = relative_time(choice.micro_batch_tokens, choice.recompute);
    for (const Recompute level : {Recompute::kNone, Recompute::kCheap, Recompute::kBlock})
      for (int64_t tokens = 64; tokens <= 1024; tokens *= 2) {
        if (bytes_of(tokens, level) > megabytes * kMB) continue;
        EXPECT_LE(chosen, relative_time(tokens, level) + 1e-12) << megabytes << " MB, " << tokens;
      }
  }
}

TEST(PassChoice, ALongRowSetsTheSmallestPass) {
  const PassLimits limits{.micro_batch_tokens = 1024, .longest_row = 900};
  EXPECT_EQ(choose(1200, limits).bytes, bytes_of(1024, Recompute::kNone));
  EXPECT_EQ(choose(700, limits).recompute, Recompute::kCheap);
  EXPECT_EQ(choose(420, limits).recompute, Recompute::kBlock);
  EXPECT_THROW(choose(380, limits), Error);
}

TEST(PassChoice, TinyPassesStandAsTheyAre) {
  EXPECT_EQ(choose(400, {.micro_batch_tokens = 16, .longest_row = 10}).micro_batch_tokens, 16);
}

TEST(PassChoice, WhatWasAskedForStands) {
  PassLimits limits{.micro_batch_tokens = 1024, .longest_row = 40};
  limits.recompute = Recompute::kBlock;
  EXPECT_EQ(choose(2000, limits).recompute, Recompute::kBlock);
  limits.recompute = Recompute::kNone;
  const PassChoice choice = choose(360, limits);
  EXPECT_EQ(choice.recompute, Recompute::kNone);
  EXPECT_LE(choice.bytes, 360 * kMB);
}

TEST(PassChoice, WhereNothingFitsTheLeastIsSaid) {
  try {
    choose(200);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_EQ(error.parts().where, "memory_limit");
    EXPECT_NE(error.parts().found.find("block"), std::string::npos) << error.what();
    EXPECT_NE(error.parts().found.find("MiB at least"), std::string::npos) << error.what();
    EXPECT_EQ(error.parts().fix, "Buy memory.");
  }
}

TEST(PassChoice, TheLargestPassIsFoundToTheToken) {
  const PassLimits limits{.memory_limit = 700 * kMB, .longest_row = 10};
  EXPECT_EQ(largest_pass(limits, Recompute::kNone, 100000, bytes_of), 500);
  EXPECT_EQ(largest_pass(limits, Recompute::kBlock, 100000, bytes_of), 4000);
  EXPECT_EQ(largest_pass(limits, Recompute::kBlock, 3000, bytes_of), 3000);
  EXPECT_EQ(largest_pass({.memory_limit = 300 * kMB, .longest_row = 10}, Recompute::kNone, 1000, bytes_of),
            0);
}

// Two rows of 150 tokens in a pass of 1024, each pass with a prompt of 600 anew.
TEST(PassChoice, PassesGrowForPromptsThatRowsShare) {
  const auto laid = [](int64_t tokens) {
    const int64_t rows = std::max<int64_t>(1, (tokens - 600) / 150);
    return (8 + rows - 1) / rows * 600 + 8 * 150;
  };
  const auto always = [](int64_t) { return true; };
  EXPECT_EQ(passes_for_shared_prompts(1024, laid, always), 2048);
  // As far as memory reaches.
  EXPECT_EQ(passes_for_shared_prompts(1024, laid, [](int64_t tokens) { return tokens < 2000; }), 1536);
  EXPECT_EQ(passes_for_shared_prompts(1024, laid, [](int64_t) { return false; }), 1024);
  // Nothing is shared.
  EXPECT_EQ(passes_for_shared_prompts(1024, [](int64_t) { return 5000; }, always), 1024);
}

}  // namespace
}  // namespace lora
