// The tables themselves are compared with gguf-py's in tests/parity/test_gguf_types.py.
#include "weights/gguf_names.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

TEST(GgufNames, TranslateBothWays) {
  const struct {
    const char *architecture, *gguf, *hf;
  } rows[] = {
      {"llama", "blk.3.attn_q.weight", "model.layers.3.self_attn.q_proj.weight"},
      {"llama", "blk.29.ffn_norm.weight", "model.layers.29.post_attention_layernorm.weight"},
      {"llama", "token_embd.weight", "model.embed_tokens.weight"},
      {"llama", "output.weight", "lm_head.weight"},
      {"qwen2", "blk.0.attn_k.bias", "model.layers.0.self_attn.k_proj.bias"},
      {"qwen3", "blk.10.attn_q_norm.weight", "model.layers.10.self_attn.q_norm.weight"},
      {"gemma2", "blk.1.ffn_norm.weight", "model.layers.1.pre_feedforward_layernorm.weight"},
      {"gemma2", "blk.1.post_attention_norm.weight", "model.layers.1.post_attention_layernorm.weight"},
      {"phi3", "blk.7.ffn_up.weight", "model.layers.7.mlp.gate_up_proj.weight"},
      {"phi3", "blk.7.attn_qkv.weight", "model.layers.7.self_attn.qkv_proj.weight"},
      {"olmo2", "blk.0.post_ffw_norm.weight", "model.layers.0.post_feedforward_layernorm.weight"},
      {"granite", "blk.0.ffn_down.bias", "model.layers.0.mlp.down_proj.bias"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(hf_name_of(row.architecture, row.gguf), row.hf);
    EXPECT_EQ(gguf_name_of(row.architecture, row.hf), row.gguf);
  }
}

TEST(GgufNames, RefuseWhatTheTablesHaveNot) {
  for (const char* name : {"rope_freqs.weight", "blk..attn_q.weight", "blk.x.attn_q.weight",
                           "blk.-1.attn_q.weight", "blk.01.attn_q.weight", "blk.1.attn_q.weight ",
                           "blk.#.attn_q.weight", "", "blk.1", "blk.1.attn_q_norm.weight"})
    EXPECT_EQ(hf_name_of("llama", name), std::nullopt) << name;
  EXPECT_EQ(gguf_name_of("llama", "model.layers.0.self_attn.rotary_emb.inv_freq"), std::nullopt);
  EXPECT_EQ(hf_name_of("olmo2", "blk.0.attn_norm.weight"), std::nullopt);
  EXPECT_EQ(hf_name_of("phi3", "blk.0.attn_q.weight"), std::nullopt);
  EXPECT_EQ(hf_name_of("phi3", "rope_factors_long.weight"), std::nullopt);
  EXPECT_EQ(hf_name_of("mamba", "token_embd.weight"), std::nullopt);
  EXPECT_FALSE(gguf_architecture_known("mamba"));
}

TEST(GgufNames, KnowLayoutDifferences) {
  for (const char* name : {"llama", "granite", "smollm3"}) EXPECT_TRUE(gguf_permutes_rope(name)) << name;
  for (const char* name : {"qwen2", "qwen3", "gemma", "gemma2", "gemma3", "phi3", "olmo2"})
    EXPECT_FALSE(gguf_permutes_rope(name)) << name;
  EXPECT_TRUE(gguf_norms_have_one_added("gemma3"));
  EXPECT_FALSE(gguf_norms_have_one_added("llama"));
}

}  // namespace
}  // namespace lora
