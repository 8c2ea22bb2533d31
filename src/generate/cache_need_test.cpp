#include "generate/cache_need.h"

#include <gtest/gtest.h>

#include "model/testing.h"

namespace lora {
namespace {

std::vector<std::vector<int32_t>> prompts_of(size_t count, size_t shared, size_t own) {
  std::vector<std::vector<int32_t>> prompts;
  for (size_t p = 0; p < count; ++p) {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < shared; ++i) ids.push_back(static_cast<int32_t>(i % 50));
    for (size_t i = 0; i < own; ++i) ids.push_back(static_cast<int32_t>((p * 7 + i * 3 + 1) % 60));
    prompts.push_back(std::move(ids));
  }
  return prompts;
}

TEST(CacheNeed, TokensAreCountedAsTheyAreRead) {
  const ModelConfig model = testing::tiny_config();
  const Decoder decoder = testing::tiny_decoder(at::kFloat);
  for (const auto& prompts : {prompts_of(9, 40, 12), prompts_of(5, 0, 30), prompts_of(1, 10, 3)}) {
    GenerateOptions options;
    options.max_new_tokens = 1;  // then nothing but prompts is read
    options.batch_size = 4;
    int64_t read = 0;
    generate(decoder, nullptr, prompts, options, {}, &read);
    EXPECT_EQ(cache_need(model, prompts, options).prompt_tokens, read);
  }
}

TEST(CacheNeed, RowsAreThoseOfTheAnswersUnderWay) {
  const ModelConfig model = testing::tiny_config();
  GenerateOptions options;
  options.max_new_tokens = 10;
  options.batch_size = 4;
  const CacheNeed few = cache_need(model, prompts_of(4, 0, 30), options);
  EXPECT_EQ(few.rows, 4 * 40);  // in one pass: no growth
  EXPECT_EQ(few.longest, 40);
  EXPECT_EQ(cache_need(model, prompts_of(40, 0, 30), options).rows, few.rows);
  options.batch_size = 8;
  EXPECT_EQ(cache_need(model, prompts_of(8, 0, 30), options).rows, 8 * 40);
  EXPECT_EQ(cache_need(model, {}, options).rows, 0);
}

}  // namespace
}  // namespace lora
