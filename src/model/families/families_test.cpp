// What each family reads out of config.json, in the spellings of Transformers 4 and 5, and out of GGUF metadata, against
// the published configurations of real models. That it is computed right is tests/parity/test_families.py's to show.
#include "model/families/families.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/atomic_file.h"
#include "base/error.h"
#include "files/gguf_writer.h"
#include "files/safetensors.h"
#include "model/rope.h"
#include "model/testing.h"

namespace lora {
namespace {

using Json = nlohmann::json;
using Rope = LayerConfig::Rope;

Json sizes(const std::string& model_type, int64_t layers = 4) {
  return {{"model_type", model_type},    {"vocab_size", 61},         {"hidden_size", 64},
          {"intermediate_size", 96},     {"num_attention_heads", 4}, {"num_key_value_heads", 2},
          {"num_hidden_layers", layers}, {"rms_norm_eps", 1e-6},     {"max_position_embeddings", 8192}};
}

class FamilyConfig : public ::testing::Test {
 protected:
  ModelConfig read(Json json, const Json& more = Json::object()) const {
    json.update(more);
    write_file_atomic(folder_.path() / "config.json", json.dump(), IfExists::kReplace);
    write_safetensors(folder_.path() / "model.safetensors", {});
    return read_model_config(Checkpoint::open(folder_.path()));
  }
  std::string error_of(const Json& json, const Json& more = Json::object()) const {
    try {
      read(json, more);
      return "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
  }
  testing::TemporaryFolder folder_;
};

std::vector<int64_t> windows(const ModelConfig& c) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) all.push_back(c.layer(i).sliding_window);
  return all;
}
std::vector<Rope> ropes(const ModelConfig& c) {
  std::vector<Rope> all;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) all.push_back(c.layer(i).rope);
  return all;
}
using Windows = std::vector<int64_t>;

TEST_F(FamilyConfig, LlamaIsThePlainCase) {
  const ModelConfig c = read(sizes("llama"));
  EXPECT_EQ(c.family, "llama");
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.attention_scale(), 0.25);
  EXPECT_EQ(windows(c), Windows(4, 0));
  EXPECT_FALSE(c.qkv_bias || c.o_bias || c.mlp_bias || c.tie_word_embeddings || c.norm_adds_one);
  EXPECT_EQ(c.long_rope_length(), 0);
}

TEST_F(FamilyConfig, MistralsWindowMayBeSetNullOrLeftOut) {
  EXPECT_EQ(windows(read(sizes("mistral"), {{"sliding_window", 7}})), Windows(4, 7));
  EXPECT_EQ(windows(read(sizes("mistral"), {{"sliding_window", nullptr}})), Windows(4, 0));
  EXPECT_EQ(windows(read(sizes("mistral"))), Windows(4, 4096)) << "as Transformers has it";
  EXPECT_EQ(read(sizes("mistral"), {{"head_dim", 24}}).head_dim, 24);
  EXPECT_EQ(read(sizes("mistral"), {{"head_dim", nullptr}}).head_dim, 16);
}

TEST_F(FamilyConfig, QwensWindowIsOffUnlessItIsSwitchedOn) {
  const Json off{{"sliding_window", 9}, {"use_sliding_window", false}, {"max_window_layers", 2}};
  const ModelConfig qwen2 = read(sizes("qwen2"), off);
  EXPECT_EQ(windows(qwen2), Windows(4, 0));
  EXPECT_TRUE(qwen2.qkv_bias && !qwen2.o_bias && qwen2.qk_norm == QkNorm::kNone);
  Json on = off;
  on["use_sliding_window"] = true;
  EXPECT_EQ(windows(read(sizes("qwen2"), on)), (Windows{0, 0, 9, 9}));
  const ModelConfig qwen3 = read(sizes("qwen3"), off);
  EXPECT_TRUE(!qwen3.qkv_bias && qwen3.qk_norm == QkNorm::kHead);
  EXPECT_EQ(qwen3.head_dim, 128);
}

TEST_F(FamilyConfig, Gemma) {
  const ModelConfig one = read(sizes("gemma"), {{"hidden_act", "gelu"}, {"head_dim", 32}});
  EXPECT_EQ(one.activation, Activation::kGeluTanh) << "old files say gelu and mean its approximation";
  EXPECT_TRUE(one.norm_adds_one && one.tie_word_embeddings);
  EXPECT_EQ(one.embedding_multiplier, 8);
  EXPECT_EQ(one.norm_placement, NormPlacement::kBefore);

  const ModelConfig two = read(sizes("gemma2"), {{"query_pre_attn_scalar", 144}, {"sliding_window", 5}});
  EXPECT_EQ(two.norm_placement, NormPlacement::kBoth);
  EXPECT_NEAR(two.attention_scale(), 1.0 / 12, 1e-15);
  EXPECT_EQ(two.attn_logit_softcapping, 50);
  EXPECT_EQ(two.final_logit_softcapping, 30);
  EXPECT_EQ(windows(two), (Windows{5, 0, 5, 0}));
  const ModelConfig uncapped =
      read(sizes("gemma2"), {{"attn_logit_softcapping", nullptr}, {"final_logit_softcapping", nullptr}});
  EXPECT_EQ(uncapped.attn_logit_softcapping + uncapped.final_logit_softcapping, 0);
}

TEST_F(FamilyConfig, Gemma3InBothSpellings) {
  const Json old{{"sliding_window", 5},
                 {"rope_theta", 500000.0},
                 {"rope_local_base_freq", 2000.0},
                 {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}};
  const Json now{{"sliding_window", 5},
                 {"rope_parameters",
                  {{"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 500000.0}}},
                   {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 2000.0}}}}}};
  for (const Json& json : {old, now}) {
    const ModelConfig c = read(sizes("gemma3_text", 7), json);
    EXPECT_EQ(windows(c), (Windows{5, 5, 5, 5, 5, 0, 5}));
    std::vector<Rope> expected(7, Rope::kLocal);
    expected[5] = Rope::kGlobal;
    EXPECT_EQ(ropes(c), expected);
    EXPECT_EQ(c.rope.rope_theta, 500000);
    EXPECT_EQ(c.rope.factors, std::vector<double>(128, 8)) << "head_dim is 256 when left out";
    EXPECT_EQ(c.local_rope.rope_theta, 2000);
    EXPECT_TRUE(c.local_rope.factors.empty());
    EXPECT_EQ(c.qk_norm, QkNorm::kHead);
    EXPECT_EQ(c.attn_logit_softcapping, 0);
  }
  EXPECT_EQ(windows(read(sizes("gemma3_text", 4), {{"sliding_window_pattern", 2}, {"sliding_window", 3}})),
            (Windows{3, 0, 3, 0}));
  const Json listed{{"layer_types", {"full_attention", "sliding_attention"}}, {"sliding_window", 3}};
  EXPECT_EQ(windows(read(sizes("gemma3_text", 2), listed)), (Windows{0, 3}));
}

TEST_F(FamilyConfig, Phi3sLongRopeInEverySpelling) {
  const Json factors{{"short_factor", {1, 1.1, 1.2, 1.3, 1.4, 1.5}}, {"long_factor", {2, 3, 4, 5, 6, 7}}};
  for (const char* type : {"su", "yarn", "longrope"}) {
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      Json rope = factors;
      rope[key == std::string("rope_scaling") ? "type" : "rope_type"] = type;
      const ModelConfig c = read(sizes("phi3"), {{key, rope},
                                                 {"original_max_position_embeddings", 2048},
                                                 {"partial_rotary_factor", 0.75},
                                                 {"sliding_window", 33}});
      EXPECT_EQ(c.modules, (std::vector<Module>{Module::kQkv, Module::kO, Module::kGateUp, Module::kDown}));
      EXPECT_EQ(c.rope.rotary_dim, 12);
      EXPECT_EQ(c.rope.factors[5], 1.5);
      EXPECT_EQ(c.rope.long_factors[0], 2);
      EXPECT_EQ(c.long_rope_length(), 2048);
      EXPECT_NEAR(c.rope.attention_factor, std::sqrt(1 + std::log(4.0) / std::log(2048.0)), 1e-12);
      EXPECT_EQ(windows(c), Windows(4, 33));
    }
  }
}

TEST_F(FamilyConfig, SmolLM3OLMo2AndGranite) {
  const ModelConfig smol = read(sizes("smollm3", 5));
  EXPECT_EQ(ropes(smol),
            (std::vector<Rope>{Rope::kGlobal, Rope::kGlobal, Rope::kGlobal, Rope::kNone, Rope::kGlobal}));
  EXPECT_EQ(smol.rope.rope_theta, 2e6);
  EXPECT_EQ(ropes(read(sizes("smollm3", 2), {{"no_rope_layers", {0, 1}}})),
            (std::vector<Rope>{Rope::kNone, Rope::kGlobal}));
  const ModelConfig olmo = read(sizes("olmo2"));
  EXPECT_EQ(olmo.norm_placement, NormPlacement::kAfter);
  EXPECT_EQ(olmo.qk_norm, QkNorm::kProjection);
  const ModelConfig granite = read(sizes("granite"), {{"embedding_multiplier", 12},
                                                      {"attention_multiplier", 0.015625},
                                                      {"residual_multiplier", 0.22},
                                                      {"logits_scaling", 16}});
  EXPECT_EQ(granite.embedding_multiplier, 12);
  EXPECT_EQ(granite.attention_scale(), 0.015625);
  EXPECT_EQ(granite.residual_multiplier, 0.22);
  EXPECT_EQ(granite.logits_scaling, 16);
}

TEST_F(FamilyConfig, WhatIsNotComputedIsRefusedByName) {
  const std::vector<std::tuple<std::string, Json, std::string>> cases{
      {"mixtral", {}, "\"mixtral\" is not supported"},
      {"qwen3_moe", {}, "\"qwen3_moe\" is not supported"},
      {"gemma3", {}, "\"gemma3\" is not supported"},
      {"gemma3n_text", {}, "gemma3n_text"},
      {"llama", {{"num_local_experts", 8}}, "mixture of experts"},
      {"gemma2", {{"use_bidirectional_attention", true}}, "later tokens"},
      {"gemma3_text", {{"attn_logit_softcapping", 50.0}}, "soft-capping"},
      {"gemma3_text", {{"sliding_window_pattern", 0}}, "sliding_window_pattern"},
      {"gemma", {{"hidden_act", "relu"}}, "relu"},
      {"qwen2", {{"use_sliding_window", true}, {"layer_types", {"chunked_attention"}}}, "chunked_attention"},
      {"mistral", {{"layer_types", {"full_attention"}}}, "1 layers are described"},
      {"mistral", {{"sliding_window", -3}}, "sliding_window is -3"},
      {"smollm3", {{"no_rope_layers", {1}}}, "no_rope_layers"},
      {"phi3", {{"rope_scaling", {{"type", "longrope"}, {"short_factor", {1}}}}}, "long_factor"},
      {"granite", {{"logits_scaling", 0}}, "logits_scaling"}};
  for (const auto& [type, more, part] : cases) {
    const std::string error = error_of(sizes(type), more.is_null() ? Json::object() : more);
    EXPECT_NE(error.find(part), std::string::npos) << type << ": " << error;
  }
}

// The frequencies that Transformers 5.24 gives for these parameters (ROPE_INIT_FUNCTIONS), printed to nine digits.
TEST_F(FamilyConfig, ScaledFrequenciesAreTransformers) {
  const std::vector<std::tuple<Json, double, std::vector<double>>> cases{
      {{{"rope_type", "llama3"},
        {"rope_theta", 500000.0},
        {"factor", 8.0},
        {"low_freq_factor", 1.0},
        {"high_freq_factor", 4.0},
        {"original_max_position_embeddings", 1024}},
       1.0,
       {1, 0.193922758, 0.0376060307, 0.00131256948, 0.000176776681, 3.42810235e-05, 6.64786967e-06,
        1.28917316e-06}},
      {{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 2048}},
       1.138629436111989,
       {1, 0.316227764, 0.100000001, 0.025693506, 0.00624999963, 0.00138349656, 0.000250000012,
        7.90569466e-05}},
      {{{"rope_type", "linear"}, {"rope_theta", 1e6}, {"factor", 8.0}},
       1.0,
       {0.125, 0.0222284924, 0.00395284733, 0.000702926656, 0.000125000006, 2.22284925e-05, 3.95284678e-06,
        7.02926684e-07}},
      {{{"rope_type", "dynamic"}, {"factor", 8.0}},
       1.0,
       {1, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00316227786, 0.00100000005,
        0.000316227786}}};
  for (const auto& [parameters, attention_factor, frequencies] : cases) {
    const ModelConfig c = read(sizes("llama"), {{"rope_parameters", parameters}});
    EXPECT_NEAR(c.rope.attention_factor, attention_factor, 1e-12) << parameters;
    // At position 1 the angle is the frequency.
    const RopeTable table = rope_table(c.rope, c.head_dim, {1}, {2}, at::kDouble);
    for (size_t i = 0; i < frequencies.size(); ++i) {
      const auto j = static_cast<int64_t>(i);
      const double angle = std::atan2(table.sin[0][j].item<double>(), table.cos[0][j].item<double>());
      EXPECT_NEAR(angle, frequencies[i], 3e-7 * frequencies[i]) << parameters << " pair " << i;
    }
  }
}

// --- GGUF --------------------------------------------------------------------------------------------------------------

class GgufConfig : public ::testing::Test {
 protected:
  GgufConfig() {
    const at::Tensor embedding = at::zeros({61, 64});
    rows_.assign(embedding.data_ptr<float>(), embedding.data_ptr<float>() + embedding.numel());
  }
  void begin(const std::string& architecture, uint32_t layers = 4) {
    name_ = architecture;
    writer_.set_string("general.architecture", architecture);
    writer_.add_tensor("token_embd.weight", DType::kF32, {61, 64}, std::as_bytes(std::span(rows_)));
    for (const auto& [key, value] :
         std::vector<std::pair<std::string, uint32_t>>{{"embedding_length", 64},
                                                       {"feed_forward_length", 96},
                                                       {"attention.head_count", 4},
                                                       {"attention.head_count_kv", 2},
                                                       {"context_length", 8192},
                                                       {"block_count", layers}})
      set(key, value);
    set("attention.layer_norm_rms_epsilon", 1e-6f);
  }
  void set(const std::string& key, uint32_t value) { writer_.set_uint32(name_ + "." + key, value); }
  void set(const std::string& key, float value) { writer_.set_float32(name_ + "." + key, value); }
  void add(const std::string& name, const std::vector<float>& numbers) {
    writer_.add_tensor(name, DType::kF32, {static_cast<int64_t>(numbers.size())},
                       std::as_bytes(std::span(numbers)));
  }
  ModelConfig read() {
    const auto file = folder_.path() / "model.gguf";
    writer_.write(file);
    return read_model_config(Checkpoint::open(file));
  }

  testing::TemporaryFolder folder_;
  GgufWriter writer_;
  std::string name_;
  std::vector<float> rows_;
};

TEST_F(GgufConfig, Llama3KeepsItsFactorsAsATensor) {
  begin("llama");
  const std::vector<float> factors{1, 1, 1, 1, 2.5f, 8, 8, 8};
  add("rope_freqs.weight", factors);
  const ModelConfig c = read();
  EXPECT_EQ(c.rope.factors, std::vector<double>(factors.begin(), factors.end()));
  EXPECT_TRUE(c.tie_word_embeddings);
}

TEST_F(GgufConfig, Gemma2) {
  begin("gemma2");
  set("attention.key_length", 32u);
  set("attention.sliding_window", 5u);
  set("attn_logit_softcapping", 40.0f);
  const ModelConfig c = read();
  EXPECT_EQ(windows(c), (Windows{5, 0, 5, 0}));
  EXPECT_EQ(c.attn_logit_softcapping, 40);
  EXPECT_EQ(c.final_logit_softcapping, 30);
  EXPECT_NEAR(c.attention_scale(), 1 / std::sqrt(32.0), 1e-15);
  EXPECT_TRUE(c.norm_adds_one && c.activation == Activation::kGeluTanh);
}

TEST_F(GgufConfig, Gemma3s27BScalesAsItWasTrained) {
  begin("gemma3", 62);
  set("attention.key_length", 32u);
  set("attention.sliding_window", 5u);
  set("rope.freq_base", 1e6f);
  const ModelConfig c = read();
  EXPECT_NEAR(c.attention_scale(), 1 / std::sqrt(64.0 / 4), 1e-15);
  EXPECT_EQ(c.rope.rope_theta, 1e6);
  EXPECT_EQ(c.local_rope.rope_theta, 10000);
  EXPECT_EQ(c.layer(5).rope, Rope::kGlobal);
  EXPECT_EQ(c.layer(6).rope, Rope::kLocal);
}

TEST_F(GgufConfig, Phi3) {
  begin("phi3");
  set("rope.dimension_count", 12u);
  set("rope.scaling.original_context_length", 2048u);
  set("rope.scaling.attn_factor", 1.25f);
  set("attention.sliding_window", 0u);
  const std::vector<float> shorter(6, 1.5f), longer(6, 3);
  add("rope_factors_short.weight", shorter);
  add("rope_factors_long.weight", longer);
  const ModelConfig c = read();
  EXPECT_EQ(c.rope.rotary_dim, 12);
  EXPECT_EQ(c.rope.factors, std::vector<double>(6, 1.5));
  EXPECT_EQ(c.rope.long_factors, std::vector<double>(6, 3));
  EXPECT_EQ(c.rope.attention_factor, 1.25);
  EXPECT_EQ(c.long_rope_length(), 2048);
  EXPECT_EQ(windows(c), Windows(4, 0));
  EXPECT_TRUE(c.has(Module::kQkv) && !c.has(Module::kQ));
}

TEST_F(GgufConfig, GraniteAndSmolLM3) {
  begin("granite");
  set("embedding_scale", 12.0f);
  set("attention.scale", 0.5f);
  set("residual_scale", 0.25f);
  set("logit_scale", 16.0f);
  const ModelConfig c = read();
  EXPECT_EQ(c.embedding_multiplier, 12);
  EXPECT_EQ(c.attention_scale(), 0.5);
  EXPECT_EQ(c.residual_multiplier, 0.25);
  EXPECT_EQ(c.logits_scaling, 16);
}

TEST_F(GgufConfig, MixturesAndUnknownArchitecturesAreRefused) {
  begin("llama");
  set("expert_count", 8u);
  EXPECT_THROW(read(), Error);
}

}  // namespace
}  // namespace lora
