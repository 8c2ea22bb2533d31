// Cached, batched decoding against the full forward pass, token by token.
#include "generate/generator.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <set>

#include "base/error.h"
#include "model/testing.h"

namespace lora {
namespace {

using Prompts = std::vector<std::vector<int32_t>>;

Prompts random_prompts(std::initializer_list<size_t> lengths) {
  Random random(4, 5);
  Prompts prompts;
  for (const size_t length : lengths) {
    std::vector<int32_t>& prompt = prompts.emplace_back();
    for (size_t i = 0; i < length; ++i) prompt.push_back(static_cast<int32_t>(random.below(61)));
  }
  return prompts;
}

// The likeliest next token each time, by a pass over the whole text without a cache.
std::vector<int32_t> greedy_without_cache(const Decoder& decoder, const Adapter* adapter,
                                          std::vector<int32_t> ids, int64_t count) {
  const size_t prompt = ids.size();
  for (int64_t n = 0; n < count; ++n) {
    Forest forest;
    const auto length = static_cast<int64_t>(ids.size());
    forest.ids = {ids.begin(), ids.end()};
    for (int64_t i = 0; i < length; ++i) forest.positions.push_back(i);
    forest.layout = {{{0, length, 0, {}}}, {0}};
    ids.push_back(static_cast<int32_t>(decoder.logits(forest, adapter)[length - 1].argmax().item<int64_t>()));
  }
  return {ids.begin() + static_cast<int64_t>(prompt), ids.end()};
}

class Generator : public ::testing::Test {
 protected:
  const Decoder decoder_ = testing::tiny_decoder(at::kDouble);
  const Adapter adapter_ = testing::tiny_adapter(at::kDouble, 0.4);  // its dropout must not act here
};

TEST_F(Generator, GreedyEqualsTheFullForwardPass) {
  const Prompts prompts = random_prompts({1, 7, 3, 40, 12});
  for (const Adapter* adapter : {static_cast<const Adapter*>(nullptr), &adapter_}) {
    const std::vector<Answer> answers = generate(decoder_, adapter, prompts, {.max_new_tokens = 25});
    for (size_t p = 0; p < prompts.size(); ++p) {
      EXPECT_EQ(answers[p].ids, greedy_without_cache(decoder_, adapter, prompts[p], 25)) << "prompt " << p;
      EXPECT_FALSE(answers[p].stopped);
    }
  }
}

// Windows, NoPE, fused projections, …; and texts that grow over LongRoPE's border (14 tokens) alone and beside others.
TEST(GeneratorOfFamilies, GreedyEqualsTheFullForwardPass) {
  const Prompts prompts = random_prompts({1, 7, 13, 14, 15, 30});
  for (const ModelConfig& config : testing::tiny_family_configs()) {
    const Decoder decoder(config, random_weights(config, 1, at::kDouble));
    const Adapter adapter = testing::tiny_adapter(at::kDouble, 0, config);
    const std::vector<Answer> answers = generate(decoder, &adapter, prompts, {.max_new_tokens = 18});
    for (size_t p = 0; p < prompts.size(); ++p)
      EXPECT_EQ(answers[p].ids, greedy_without_cache(decoder, &adapter, prompts[p], 18))
          << config.family << ", prompt " << p;
  }
}

// System prompts, examples and earlier turns in common: read once, seen by all, and gone when nobody needs them.
TEST(GeneratorOfFamilies, SharedPrefixesChangeNothing) {
  const Prompts parts = random_prompts({20, 12, 9, 30, 1, 4, 17});
  const auto joined = [&](std::initializer_list<size_t> which) {
    std::vector<int32_t> prompt;
    for (const size_t part : which) prompt.insert(prompt.end(), parts[part].begin(), parts[part].end());
    return prompt;
  };
  const Prompts prompts{joined({0, 1, 2}), joined({3, 4}), joined({0, 1, 5}), joined({0, 6}),
                        joined({3, 4}),    joined({0, 1}), joined({5}),       joined({0, 1, 5, 6}),
                        joined({3, 2}),    joined({3, 4})};
  for (const ModelConfig& config : testing::tiny_family_configs()) {
    const Decoder decoder(config, random_weights(config, 1, at::kDouble));
    const Adapter adapter = testing::tiny_adapter(at::kDouble, 0, config);
    for (const int64_t batch_size : {1, 3, 100}) {
      const auto answers =
          generate(decoder, &adapter, prompts, {.max_new_tokens = 9, .batch_size = batch_size});
      for (size_t p = 0; p < prompts.size(); ++p)
        EXPECT_EQ(answers[p].ids, greedy_without_cache(decoder, &adapter, prompts[p], 9))
            << config.family << ", batch " << batch_size << ", prompt " << p;
    }
  }
}

// Base and two adapters in one batch, asked the same with much in common: each is answered as when it is asked alone, and
// its prefixes are read once for it.
TEST(GeneratorOfFamilies, ContestantsAskedTogetherAnswerAsAskedApart) {
  const Prompts parts = random_prompts({20, 9, 1, 17});
  Prompts prompts;
  for (const auto& [prefix, own] : {std::pair{0, 1}, {0, 2}, {3, 1}, {0, 3}}) {
    prompts.push_back(parts[static_cast<size_t>(prefix)]);
    const std::vector<int32_t>& end = parts[static_cast<size_t>(own)];
    prompts.back().insert(prompts.back().end(), end.begin(), end.end());
  }
  size_t unlike = 0;
  for (const ModelConfig& config : testing::tiny_family_configs()) {
    const Decoder decoder(config, random_weights(config, 1, at::kDouble));
    const Adapter first = testing::tiny_adapter(at::kDouble, 0.3, config);
    Adapter second = testing::tiny_adapter(at::kDouble, 0, config);
    testing::randomize_B(second, 9);
    const std::vector<const Adapter*> contestants{nullptr, &first, &second};
    std::vector<std::vector<Answer>> apart;
    int64_t read_apart = 0;
    for (const Adapter* adapter : contestants) {
      int64_t read = 0;
      apart.push_back(generate(decoder, adapter, prompts, {.max_new_tokens = 7}, {}, &read));
      read_apart += read;
    }
    unlike += apart[0][0].ids != apart[1][0].ids && apart[1][0].ids != apart[2][0].ids;
    std::vector<GenerationPrompt> together;  // prompt by prompt, so that adapters alternate
    for (const std::vector<int32_t>& prompt : prompts)
      for (const Adapter* adapter : contestants) together.push_back({prompt, adapter});
    for (const int64_t batch_size : {2, 5, 100}) {
      int64_t read = 0;
      const std::vector<Answer> answers =
          generate(decoder, together, {.max_new_tokens = 7, .batch_size = batch_size}, {}, &read);
      for (size_t p = 0; p < prompts.size(); ++p)
        for (size_t c = 0; c < contestants.size(); ++c)
          EXPECT_EQ(answers[p * contestants.size() + c].ids, apart[c][p].ids)
              << config.family << ", batch " << batch_size << ", prompt " << p << ", contestant " << c;
      if (config.long_rope_length() == 0) {
        EXPECT_EQ(read, read_apart) << config.family << ", batch " << batch_size;
      }
    }
  }
  EXPECT_GE(unlike, 5u);  // what an adapter says is not what the base says, nor what another says
}

// What is drawn depends on the place among the prompts of one adapter.
TEST_F(Generator, ContestantsAskedTogetherDrawAsAskedApart) {
  const Prompts prompts = random_prompts({9, 3, 12});
  const GenerateOptions options{.sampling = {.temperature = 1.2, .seed = 5}, .max_new_tokens = 12};
  std::vector<GenerationPrompt> together;
  for (const std::vector<int32_t>& prompt : prompts)
    for (const Adapter* adapter : {static_cast<const Adapter*>(nullptr), &adapter_})
      together.push_back({prompt, adapter});
  const std::vector<Answer> answers = generate(decoder_, together, options);
  const auto base = generate(decoder_, nullptr, prompts, options),
             tuned = generate(decoder_, &adapter_, prompts, options);
  for (size_t p = 0; p < prompts.size(); ++p) {
    EXPECT_EQ(answers[2 * p].ids, base[p].ids);
    EXPECT_EQ(answers[2 * p + 1].ids, tuned[p].ids);
  }
}

TEST_F(Generator, APrefixIsReadOnce) {
  const std::vector<int32_t> prefix = random_prompts({40})[0];
  Prompts prompts = random_prompts({3, 5, 7});
  int64_t own = 0;
  for (std::vector<int32_t>& prompt : prompts) {
    own += static_cast<int64_t>(prompt.size());
    prompt.insert(prompt.begin(), prefix.begin(), prefix.end());
  }
  // The first id makes the ends differ where they begin; then only the prefix is common.
  for (size_t p = 0; p < prompts.size(); ++p) prompts[p][40] = static_cast<int32_t>(p);
  for (const int64_t batch_size : {1, 3}) {
    int64_t read = 0;
    generate(decoder_, nullptr, prompts, {.max_new_tokens = 1, .batch_size = batch_size}, {}, &read);
    EXPECT_EQ(read, 40 + own) << "batch " << batch_size;
  }
}

TEST_F(Generator, TheAdapterChangesTheAnswers) {
  const Prompts prompts = random_prompts({9, 10, 11});
  const auto base = generate(decoder_, nullptr, prompts, {}),
             tuned = generate(decoder_, &adapter_, prompts, {});
  for (size_t p = 0; p < prompts.size(); ++p) EXPECT_NE(base[p].ids, tuned[p].ids);
}

TEST_F(Generator, TheBatchDoesNotMatter) {
  const Prompts prompts = random_prompts({5, 1, 30, 17, 2, 9, 8});
  for (const double temperature : {0.0, 1.5}) {
    GenerateOptions options{
        .sampling = {.temperature = temperature, .seed = 11}, .max_new_tokens = 20, .stop_ids = {3, 4}};
    options.batch_size = 1;
    const auto alone = generate(decoder_, &adapter_, prompts, options);
    for (const int64_t size : {2, 3, 100}) {
      options.batch_size = size;
      const auto together = generate(decoder_, &adapter_, prompts, options);
      for (size_t p = 0; p < prompts.size(); ++p) {
        EXPECT_EQ(together[p].ids, alone[p].ids) << "batch " << size << " prompt " << p;
        EXPECT_EQ(together[p].stopped, alone[p].stopped);
      }
    }
  }
}

// More prompt tokens than one pass reads (1024).
TEST_F(Generator, LongPromptsAreReadInSeveralPasses) {
  const Prompts prompts = random_prompts({700, 600, 1500, 3});
  const auto answers = generate(decoder_, nullptr, prompts, {.max_new_tokens = 3});
  for (size_t p = 0; p < prompts.size(); ++p)
    EXPECT_EQ(answers[p].ids, greedy_without_cache(decoder_, nullptr, prompts[p], 3)) << "prompt " << p;
}

TEST_F(Generator, AStopIdEndsTheAnswerAndIsNotPartOfIt) {
  const Prompts prompts = random_prompts({6, 4});
  const auto whole = generate(decoder_, nullptr, prompts, {.max_new_tokens = 20});
  const int32_t stop = whole[0].ids[8];
  size_t first = 0;
  while (whole[0].ids[first] != stop) ++first;
  const auto cut = generate(decoder_, nullptr, prompts, {.max_new_tokens = 20, .stop_ids = {stop, 1000}});
  EXPECT_EQ(cut[0].ids,
            std::vector<int32_t>(whole[0].ids.begin(), whole[0].ids.begin() + static_cast<int64_t>(first)));
  EXPECT_TRUE(cut[0].stopped);
  // The other one goes on alone.
  const auto own = std::ranges::find(whole[1].ids, stop);
  EXPECT_EQ(cut[1].ids, std::vector<int32_t>(whole[1].ids.begin(), own));
  EXPECT_EQ(cut[1].stopped, own != whole[1].ids.end());
}

TEST_F(Generator, AStopIdAtOnceGivesAnEmptyAnswer) {
  const Prompts prompts = random_prompts({6});
  const int32_t first = generate(decoder_, nullptr, prompts, {.max_new_tokens = 1})[0].ids.at(0);
  const Answer answer = generate(decoder_, nullptr, prompts, {.max_new_tokens = 5, .stop_ids = {first}})[0];
  EXPECT_TRUE(answer.ids.empty());
  EXPECT_TRUE(answer.stopped);
}

TEST_F(Generator, NoAnswerIsLongerThanMaxNewTokens) {
  for (const int64_t limit : {1, 2, 17})
    EXPECT_EQ(static_cast<int64_t>(
                  generate(decoder_, nullptr, random_prompts({6}), {.max_new_tokens = limit})[0].ids.size()),
              limit);
}

TEST_F(Generator, SeedsGiveDifferentAnswersAndEachIsRepeatable) {
  const Prompts prompts = random_prompts({6});
  std::set<std::vector<int32_t>> answers;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const GenerateOptions options{.sampling = {.temperature = 1, .seed = seed}, .max_new_tokens = 20};
    const auto first = generate(decoder_, nullptr, prompts, options);
    EXPECT_EQ(first[0].ids, generate(decoder_, nullptr, prompts, options)[0].ids);
    answers.insert(first[0].ids);
  }
  EXPECT_EQ(answers.size(), 5u);
}

TEST_F(Generator, EveryTokenIsReportedAsItComes) {
  const Prompts prompts = random_prompts({6, 2, 9});
  std::map<size_t, std::vector<int32_t>> reported;
  const auto answers = generate(decoder_, nullptr, prompts, {.max_new_tokens = 7, .batch_size = 2},
                                [&](size_t prompt, int32_t id) { reported[prompt].push_back(id); });
  for (size_t p = 0; p < prompts.size(); ++p) EXPECT_EQ(reported[p], answers[p].ids);
}

TEST_F(Generator, WhatCannotFitIsRefused) {
  const auto error_of = [&](const Prompts& prompts, int64_t max_new_tokens) -> std::string {
    try {
      generate(decoder_, nullptr, prompts, {.max_new_tokens = max_new_tokens});
      return "no error";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_NE(error_of({{1, 2}, {}}, 5).find("prompt 2"), std::string::npos);
  EXPECT_NE(error_of({{1, 2}}, 0).find("max_new_tokens"), std::string::npos);
  EXPECT_NE(error_of({{1, 2}}, 4095).find("4096"), std::string::npos);
  EXPECT_EQ(error_of(random_prompts({4094}), 2), "no error") << "the context's very length is allowed";
  EXPECT_NE(error_of({{1, 2}}, std::numeric_limits<int64_t>::max()).find("4096"), std::string::npos);
}

}  // namespace
}  // namespace lora
