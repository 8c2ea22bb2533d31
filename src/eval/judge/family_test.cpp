#include "eval/judge/family.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

TEST(ModelFamily, ByName) {
  EXPECT_EQ(model_family("HuggingFaceTB/SmolLM2-135M-Instruct"), "smollm");
  EXPECT_EQ(model_family("models/SmolLM2-135M-Instruct.Q4_1.gguf"), "smollm");
  EXPECT_EQ(model_family("gpt-4o-mini"), "gpt");
  EXPECT_EQ(model_family("openai/gpt-oss-20b"), "gpt");
  EXPECT_EQ(model_family("o3-mini"), "gpt");
  EXPECT_EQ(model_family("meta-llama/Llama-3.1-8B-Instruct"), "llama");
  EXPECT_EQ(model_family("Meta-Llama-3-8B"), "llama");
  EXPECT_EQ(model_family("mistralai/Mixtral-8x7B"), "mistral");
  EXPECT_EQ(model_family("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"), "deepseek");
  EXPECT_EQ(model_family("Qwen/Qwen3-8B/"), "qwen");
}

TEST(ModelFamily, NothingIsGuessed) {
  EXPECT_EQ(model_family("my-model"), "");
  EXPECT_EQ(model_family(""), "");
  EXPECT_EQ(model_family("sophia-7b"), "") << "phi in the middle of a word";
  EXPECT_EQ(model_family("llama-home/model.gguf"), "") << "a folder's name is no model's";
}

}  // namespace
}  // namespace lora
