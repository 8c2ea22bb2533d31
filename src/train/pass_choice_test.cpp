#include "train/pass_choice.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lora {
namespace {

constexpr int64_t kMB = 1'000'000, kLayers = 4;

// 300 MB for all else; a token keeps 0.8 MB, 0.4 or 0.1.
int64_t bytes_of(int64_t tokens, const Recompute& recompute) {
  int64_t a_token = 0;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const RecomputeLevel level = recompute.of_layer(layer);
    a_token += (level == RecomputeLevel::kNone    ? 800'000
                : level == RecomputeLevel::kCheap ? 400'000
                                                  : 100'000) /
               kLayers;
  }
  return 300 * kMB + tokens * a_token;
}

// Nothing is shared.
LaidTokens laid(int64_t tokens) {
  return {100'000, 100'000 / tokens};
}

PassChoice choose(int64_t megabytes, PassLimits limits = {.micro_batch_tokens = 1024, .longest_row = 40}) {
  limits.memory_limit = megabytes * kMB;
  limits.layers = kLayers;
  return choose_passes(limits, {bytes_of, laid}, "Buy memory.");
}

TEST(PassChoice, NothingIsChangedWhereItFits) {
  const PassChoice choice = choose(2000);
  EXPECT_EQ(choice.micro_batch_tokens, 1024);
  EXPECT_EQ(choice.recompute, Recompute::kNone);
}

TEST(PassChoice, AsFewLayersAsNeededComputeAgain) {
  // Smaller passes would spare nothing.
  const auto recompute = [](int64_t megabytes) {
    const PassChoice choice = choose(megabytes, {.micro_batch_tokens = 1024, .longest_row = 1024});
    EXPECT_EQ(choice.micro_batch_tokens, 1024);
    return recompute_name(choice.recompute);
  };
  EXPECT_EQ(recompute(1120), "none");
  EXPECT_EQ(recompute(1020), "cheap:1");
  EXPECT_EQ(recompute(720), "cheap");
  EXPECT_EQ(recompute(640), "block:1");
  EXPECT_EQ(recompute(410), "block");
}

TEST(PassChoice, SmallerPassesWhereEachBlockIsComputedAgain) {
  const PassChoice choice = choose(380);
  EXPECT_EQ(choice.recompute, Recompute::kBlock);
  EXPECT_LT(choice.micro_batch_tokens, 1024);
  EXPECT_LE(choice.bytes, 380 * kMB);
}

// Nothing that fits is faster: tried one by one.
TEST(PassChoice, TheFastestThatFitsIsTaken) {
  for (int64_t megabytes = 310; megabytes < 1200; megabytes += 10) {
    const PassChoice choice = choose(megabytes);
    EXPECT_LE(choice.bytes, megabytes * kMB);
    const double chosen = relative_time(laid(choice.micro_batch_tokens), choice.recompute, kLayers);
    for (const RecomputeLevel level : {RecomputeLevel::kNone, RecomputeLevel::kCheap, RecomputeLevel::kBlock})
      for (int64_t layers = 0; layers <= kLayers; ++layers)
        for (int64_t tokens = 64; tokens <= 1024; tokens *= 2) {
          if (bytes_of(tokens, {level, layers}) > megabytes * kMB) continue;
          EXPECT_LE(chosen, relative_time(laid(tokens), {level, layers}, kLayers) + 1e-9)
              << megabytes << " MB, " << tokens;
        }
  }
}

// A prompt of 200 tokens that rows of 20 of their own share is dear to lay again.
TEST(PassChoice, PromptsThatAreLaidAgainCount) {
  const auto sharing = [](int64_t tokens) {
    const int64_t own = std::max<int64_t>(tokens, 220) - 200, passes = (8 * 20 + own - 1) / own;
    return LaidTokens{passes * 200 + 8 * 20, passes};
  };
  const auto bytes = [](int64_t tokens, const Recompute& recompute) {
    return tokens * (recompute == Recompute::kNone ? 4 : 1);
  };
  const PassLimits limits{.memory_limit = 1024, .micro_batch_tokens = 512, .longest_row = 220};
  const PassChoice choice = choose_passes(limits, {bytes, sharing}, "");
  EXPECT_EQ(choice.micro_batch_tokens, 512);
  EXPECT_NE(choice.recompute, Recompute::kNone);
}

TEST(PassChoice, ALongRowSetsTheSmallestPass) {
  const PassLimits limits{.micro_batch_tokens = 1024, .longest_row = 900};
  EXPECT_EQ(choose(1200, limits).bytes, bytes_of(1024, Recompute::kNone));
  EXPECT_EQ(choose(720, limits).recompute, Recompute::kCheap);
  EXPECT_EQ(choose(420, limits).recompute, Recompute::kBlock);
  EXPECT_THROW(choose(380, limits), Error);
}

// 200 of the 300 MB are the base's, a byte for each parameter.
TEST(PassChoice, TheBaseStaysInItsFileWhereThatIsFaster) {
  PassLimits limits{.micro_batch_tokens = 1024, .longest_row = 1024};
  EXPECT_FALSE(choose(720, limits).base_in_file);
  limits.base_bytes = limits.parameters = 200 * kMB;
  EXPECT_FALSE(choose(1200, limits).base_in_file) << "everything fits";
  const PassChoice choice = choose(720, limits);
  EXPECT_TRUE(choice.base_in_file);
  EXPECT_EQ(recompute_name(choice.recompute), "cheap:2") << "all four, were the base in memory";
  EXPECT_EQ(choice.bytes, bytes_of(1024, choice.recompute) - 200 * kMB);
  EXPECT_NE(choice.why.find("read from its file"), std::string::npos) << choice.why;
  EXPECT_EQ(choose(210, limits).recompute, Recompute::kBlock) << "nothing fits with the base in memory";
  limits.parameters = 1;
  EXPECT_FALSE(choose(720, limits).base_in_file) << "a base that takes long to read";
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
