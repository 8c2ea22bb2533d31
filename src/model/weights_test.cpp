// Configuration and weights of checkpoints on disk: Hugging Face folders and GGUF files of a tiny llama, strict loading.
// Real checkpoints are compared with Transformers in tests/parity.
#include "model/weights.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "files/gguf_writer.h"
#include "files/safetensors.h"
#include "model/make_believe_device.h"
#include "model/testing.h"
#include "weights/bnb_4bit.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Tensors = std::map<std::string, at::Tensor>;

std::span<const std::byte> bytes_of(const at::Tensor& t) {
  return std::as_bytes(std::span(t.data_ptr<float>(), static_cast<size_t>(t.numel())));
}

at::Tensor dense(const FrozenMatrix& matrix) {
  return matrix.to_dense(at::kFloat);
}

Tensors hf_tensors(const ModelConfig& config, const ModelWeights& weights) {
  Tensors t{{"model.embed_tokens.weight", dense(weights.embedding)}, {"model.norm.weight", weights.norm}};
  if (!config.tie_word_embeddings) t["lm_head.weight"] = dense(weights.head);
  for (size_t layer = 0; layer < weights.blocks.size(); ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    for (const NormSlot& norm : norms_of(config))
      t[prefix + std::string(norm.path) + ".weight"] = weights.blocks[layer].*norm.member;
    for (const Module m : config.modules) {
      t[prefix + std::string(module_path(m)) + ".weight"] = dense(weights.blocks[layer].module(m).weight);
      if (weights.blocks[layer].module(m).bias.defined())
        t[prefix + std::string(module_path(m)) + ".bias"] = weights.blocks[layer].module(m).bias;
    }
  }
  return t;
}

Json hf_json(const ModelConfig& c) {
  return {{"model_type", "llama"},
          {"vocab_size", c.vocab_size},
          {"hidden_size", c.hidden_size},
          {"intermediate_size", c.intermediate_size},
          {"num_hidden_layers", c.num_hidden_layers},
          {"num_attention_heads", c.num_attention_heads},
          {"num_key_value_heads", c.num_key_value_heads},
          {"head_dim", c.head_dim},
          {"max_position_embeddings", c.max_position_embeddings},
          {"rms_norm_eps", c.rms_norm_eps},
          {"rope_theta", c.rope.rope_theta},
          {"hidden_act", "silu"},
          {"attention_bias", c.qkv_bias},
          {"mlp_bias", c.mlp_bias},
          {"tie_word_embeddings", c.tie_word_embeddings}};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Weights : public ::testing::Test {
 protected:
  void write_hf(const Json& config, const Tensors& tensors) const {
    std::vector<TensorInfo> infos;
    for (const auto& [name, t] : tensors) infos.push_back({name, DType::kF32, t.sizes().vec(), bytes_of(t)});
    write_safetensors(folder_.path() / "model.safetensors", infos);
    write_file_atomic(folder_.path() / "config.json", config.dump(), IfExists::kReplace);
  }
  std::pair<ModelConfig, ModelWeights> load() const {
    const Checkpoint checkpoint = Checkpoint::open(folder_.path());
    const ModelConfig config = read_model_config(checkpoint);
    return {config, load_weights(checkpoint, config)};
  }
  std::string error_of(const Json& config, const Tensors& tensors) const {
    write_hf(config, tensors);
    try {
      load();
      return "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
  }
  std::string config_error(const std::function<void(Json&)>& change) const {
    Json json = hf_json(config_);
    change(json);
    return error_of(json, tensors_);
  }

  testing::TemporaryFolder folder_;
  ModelConfig config_ = testing::tiny_config();
  ModelWeights weights_ = random_weights(config_, 1);
  Tensors tensors_ = hf_tensors(config_, weights_);
};

void expect_equal(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, t] : a) EXPECT_TRUE(at::equal(t, b.at(name))) << name;
}

TEST_F(Weights, AHuggingFaceFolderIsLoadedWhole) {
  write_hf(hf_json(config_), tensors_);
  const auto [config, weights] = load();
  EXPECT_EQ(config.head_dim, 6);
  EXPECT_EQ(config.rms_norm_eps, 1e-5);
  expect_equal(hf_tensors(config, weights), tensors_);
}

TEST_F(Weights, TiedHeadsAndBiasesToo) {
  config_.tie_word_embeddings = config_.qkv_bias = config_.o_bias = config_.mlp_bias = true;
  weights_ = random_weights(config_, 2);
  tensors_ = hf_tensors(config_, weights_);
  write_hf(hf_json(config_), tensors_);
  const auto [config, weights] = load();
  EXPECT_TRUE(at::equal(dense(weights.head), dense(weights_.embedding)));
  EXPECT_TRUE(weights.blocks[2].module(Module::kDown).bias.defined());
  expect_equal(hf_tensors(config, weights), tensors_);
  // A tied checkpoint may hold its head a second time.
  tensors_["lm_head.weight"] = dense(weights_.embedding);
  EXPECT_EQ(error_of(hf_json(config_), tensors_), "no error");
}

// llama files hold q and k with the rows of each head interleaved: new row 2i is old row i, 2i + 1 is i + head_dim / 2.
at::Tensor interleave(const at::Tensor& t, int64_t heads) {
  const int64_t dim = t.size(0) / heads;
  at::Tensor out = at::empty_like(t);
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t i = 0; i < dim / 2; ++i) {
      out[h * dim + 2 * i].copy_(t[h * dim + i]);
      out[h * dim + 2 * i + 1].copy_(t[h * dim + i + dim / 2]);
    }
  return out;
}

class WeightsOfGguf : public Weights, public ::testing::WithParamInterface<DType> {};

// In fp32, and with matrices in bf16, which stay packed: q and k are then put in order row by row.
TEST_P(WeightsOfGguf, TheSameWeightsGiveTheSameTensors) {
  const bool half = GetParam() == DType::kBF16;
  GgufWriter writer;
  writer.set_string("general.architecture", "llama");
  const auto set = [&](const std::string& key, int64_t value) {
    writer.set_uint32("llama." + key, static_cast<uint32_t>(value));
  };
  set("embedding_length", config_.hidden_size);
  set("feed_forward_length", config_.intermediate_size);
  set("block_count", config_.num_hidden_layers);
  set("attention.head_count", config_.num_attention_heads);
  set("attention.head_count_kv", config_.num_key_value_heads);
  set("attention.key_length", config_.head_dim);
  set("context_length", config_.max_position_embeddings);
  writer.set_float32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  writer.set_float32("llama.rope.freq_base", 20000);
  const std::map<std::string, std::string> names{
      {"self_attn.q_proj", "attn_q"},          {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},          {"self_attn.o_proj", "attn_output"},
      {"mlp.gate_proj", "ffn_gate"},           {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"},           {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"}};
  std::vector<at::Tensor> alive;
  for (const auto& [name, t] : tensors_) {
    std::string gguf = name == "model.norm.weight" ? "output_norm.weight"
                       : name == "lm_head.weight"  ? "output.weight"
                                                   : "token_embd.weight";
    at::Tensor value = t;
    if (name.starts_with("model.layers.")) {
      const std::string layer = name.substr(13, 1), part = name.substr(15, name.size() - 15 - 7);
      gguf = "blk." + layer + "." + names.at(part) + ".weight";
      if (part == "self_attn.q_proj") value = interleave(t, config_.num_attention_heads);
      if (part == "self_attn.k_proj") value = interleave(t, config_.num_key_value_heads);
    }
    const bool narrow = half && t.dim() == 2;
    if (narrow) tensors_[name] = t.to(at::kBFloat16).to(at::kFloat);
    alive.push_back(narrow ? value.to(at::kBFloat16) : value);
    const at::Tensor& stored = alive.back();
    writer.add_tensor(gguf, narrow ? GetParam() : DType::kF32, stored.sizes().vec(),
                      {static_cast<const std::byte*>(stored.const_data_ptr()), stored.nbytes()});
  }
  const fs::path file = folder_.path() / "tiny.gguf";
  writer.write(file);
  const Checkpoint checkpoint = Checkpoint::open(file);
  const ModelConfig config = read_model_config(checkpoint);
  EXPECT_EQ(config.rope.rope_theta, 20000);
  EXPECT_EQ(config.vocab_size, 61);
  EXPECT_FALSE(config.tie_word_embeddings);
  EXPECT_NEAR(config.rms_norm_eps, 1e-5, 1e-12);
  for (const BaseStorage storage : {BaseStorage::kPacked, BaseStorage::kDense, BaseStorage::kPassing}) {
    const ModelWeights weights = load_weights(checkpoint, config, at::kFloat, storage);
    EXPECT_EQ(weights.blocks[1].module(Module::kQ).weight.is_packed(),
              storage == BaseStorage::kPassing || (half && storage == BaseStorage::kPacked));
    expect_equal(hf_tensors(config, weights), tensors_);
    // Known before, from the headers alone; of what is read at each use only norms are in memory.
    const BaseBytes bytes = base_bytes(checkpoint, config, at::kFloat, storage);
    if (storage == BaseStorage::kPassing) {
      EXPECT_EQ(bytes.mapped, 0u);
      EXPECT_EQ(bytes.allocated, sizeof(float) * static_cast<size_t>((2 * 3 + 1) * config.hidden_size));
      continue;
    }
    EXPECT_EQ(bytes.total(), weights.bytes());
    EXPECT_EQ(bytes.mapped > 0, half && storage == BaseStorage::kPacked);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, WeightsOfGguf, ::testing::Values(DType::kF32, DType::kBF16));

// load_in_4bit: what bitsandbytes packs, of the linear layers alone.
TEST_F(Weights, LinearLayersAreQuantizedWhenLoaded) {
  write_hf(hf_json(config_), tensors_);
  const Checkpoint checkpoint = Checkpoint::open(folder_.path());
  const ModelConfig config = read_model_config(checkpoint);
  const ModelWeights weights = load_weights(checkpoint, config, at::kFloat, BaseStorage::kFourBit);
  const Tensors got = hf_tensors(config, weights);
  for (const auto& [name, t] : tensors_) {
    const bool linear = name.find("_proj") != std::string::npos;
    const at::Tensor expected =
        linear ? dequantize_4bit(quantize_4bit(t, FourBitType::kNf4, /*double_quant=*/true)) : t;
    EXPECT_EQ(at::equal(expected, t), !linear) << name;
    EXPECT_TRUE(at::equal(got.at(name), expected)) << name;
  }
  EXPECT_EQ(weights.blocks[2].module(Module::kDown).weight.type(), "nf4");
  EXPECT_EQ(weights.training_precision(), MatmulPrecision::kHigh);
  EXPECT_EQ(load_weights(checkpoint, config).training_precision(), MatmulPrecision::kHighest);
  EXPECT_EQ(base_bytes(checkpoint, config, at::kFloat, BaseStorage::kFourBit).training_precision(),
            MatmulPrecision::kHigh);
  EXPECT_EQ(base_bytes(checkpoint, config).training_precision(), MatmulPrecision::kHighest);
  ModelWeights less = weights;
  less.set_precision(MatmulPrecision::kHigh);
  EXPECT_EQ(less.blocks[2].module(Module::kDown).weight.precision(), MatmulPrecision::kHigh);
  EXPECT_EQ(less.precision(), MatmulPrecision::kHigh);
  EXPECT_EQ(weights.precision(), MatmulPrecision::kHighest) << "whoever loads";
  EXPECT_LT(weights.bytes(), weights_.bytes());
  EXPECT_EQ(base_bytes(checkpoint, config, at::kFloat, BaseStorage::kFourBit).total(), weights.bytes());

  // The same, with embedding and head in the file.
  const ModelWeights passing = load_weights(checkpoint, config, at::kFloat, BaseStorage::kFourBitPassing);
  expect_equal(hf_tensors(config, passing), got);
  EXPECT_EQ(passing.blocks[2].module(Module::kDown).weight.type(), "nf4");
  EXPECT_TRUE(passing.embedding.is_packed());
  EXPECT_EQ(passing.bytes(), weights.bytes()) << "wherever they lie";
  const auto in_memory = [&](BaseStorage storage) {
    return base_bytes(checkpoint, config, at::kFloat, storage).total();
  };
  EXPECT_LT(in_memory(BaseStorage::kFourBitPassing) + weights.embedding.bytes(),
            in_memory(BaseStorage::kFourBit));
  size_t codes = 0;
  for (const BlockWeights& block : weights.blocks)
    for (const LinearWeights& linear : block.modules)
      if (linear.weight.defined())
        codes += static_cast<size_t>(linear.weight.rows() * linear.weight.cols() + 1) / 2;
  EXPECT_EQ(base_bytes(checkpoint, config, at::kFloat, BaseStorage::kFourBitPassing).spilled, codes);
  EXPECT_EQ(base_bytes(checkpoint, config, at::kFloat, BaseStorage::kFourBit).spilled, 0u);
}

TEST_F(Weights, OnAnotherDeviceTheNumbersAreTheSame) {
  write_hf(hf_json(config_), tensors_);
  const Checkpoint checkpoint = Checkpoint::open(folder_.path());
  const ModelConfig config = read_model_config(checkpoint);
  const c10::Device device = testing::make_believe_device();
  for (const BaseStorage storage :
       {BaseStorage::kPacked, BaseStorage::kDense, BaseStorage::kFourBit, BaseStorage::kPassing}) {
    const ModelWeights here = load_weights(checkpoint, config, at::kFloat, storage);
    ModelWeights there = load_weights(checkpoint, config, at::kFloat, storage, device);
    EXPECT_EQ(there.norm.device(), device);
    EXPECT_EQ(there.quantized_on_load, storage == BaseStorage::kFourBit);
    EXPECT_EQ(here.quantized_on_load, storage == BaseStorage::kFourBit);
    EXPECT_EQ(there.head.is(there.embedding), config.tie_word_embeddings);
    EXPECT_EQ(there.blocks[0].module(Module::kQ).weight.is_packed(), storage == BaseStorage::kPassing);
    expect_equal(hf_tensors(config, there.on(at::kCPU)), hf_tensors(config, here));
  }
}

TEST_F(Weights, TheFirstLayersCanBeLoadedAlone) {
  write_hf(hf_json(config_), tensors_);
  const Checkpoint checkpoint = Checkpoint::open(folder_.path());
  const ModelWeights first = load_first_layers(checkpoint, config_, 2);
  ASSERT_EQ(first.blocks.size(), 2u);
  Tensors expected;
  for (const auto& [name, t] : tensors_)
    if (!name.starts_with("model.layers.2.")) expected[name] = t;
  expect_equal(hf_tensors(config_, first), expected);
  EXPECT_TRUE(first.head.is_packed());  // in its file
}

TEST_F(Weights, AMissingALeftOverAndAMisshapenTensorAreNamed) {
  Tensors t = tensors_;
  t.erase("model.layers.1.mlp.up_proj.weight");
  EXPECT_TRUE(contains(error_of(hf_json(config_), t), "model.layers.1.mlp.up_proj.weight is missing"));
  t = tensors_;
  t["model.layers.1.self_attn.q_norm.weight"] = at::ones({6});
  EXPECT_TRUE(contains(error_of(hf_json(config_), t), "q_norm.weight has no place"));
  t = tensors_;
  t["model.layers.0.self_attn.v_proj.weight"] = at::ones({13, 22});
  const std::string error = error_of(hf_json(config_), t);
  EXPECT_TRUE(contains(error, "[13, 22]") && contains(error, "[12, 22]")) << error;
  t = tensors_;
  t["model.layers.0.self_attn.rotary_emb.inv_freq"] = at::ones({3});
  EXPECT_EQ(error_of(hf_json(config_), t), "no error") << "old exporters keep it; it is computed";
}

TEST_F(Weights, ConfigurationsThatCannotBeAreNamed) {
  const std::vector<std::tuple<std::string, Json, std::string>> cases{
      {"model_type", "mamba", "\"mamba\" is not supported"},
      {"vocab_size", 0, "vocab_size"},
      {"hidden_size", -4, "hidden_size"},
      {"hidden_size", "576", "hidden_size"},
      {"num_hidden_layers", 1e9, "num_hidden_layers"},
      {"num_hidden_layers", 5000, "num_hidden_layers"},
      {"num_attention_heads", 5, "5 attention heads do not divide"},
      {"head_dim", 1 << 22, "heads of 4194304 numbers"},
      {"num_key_value_heads", 0, "num_key_value_heads"},
      {"head_dim", 5, "head_dim is 5"},
      {"rms_norm_eps", 0, "rms_norm_eps"},
      {"rms_norm_eps", "x", "rms_norm_eps"},
      {"rope_theta", 0.5, "rope_theta"},
      {"hidden_act", "gelu", "gelu"},
      {"tie_word_embeddings", "yes", "tie_word_embeddings"},
      {"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8.0}}, "_freq_factor"},
      {"rope_scaling", {{"type", "linear"}, {"factor", -8.0}}, "scaling factor is -8"},
      {"rope_parameters", {{"rope_type", "spiral"}}, "spiral"},
      {"rope_parameters", {{"rope_type", "longrope"}, {"short_factor", "1"}}, "short_factor"},
      {"rope_parameters",
       {{"rope_type", "longrope"}, {"short_factor", {1, 1, 1}}, {"long_factor", {1, 1}}},
       "2 factors of RoPE"},
      {"partial_rotary_factor", 0.2, "1 numbers of each head"},
      {"partial_rotary_factor", 2, "partial_rotary_factor"},
      {"num_local_experts", 8, "a mixture of experts"},
      {"max_position_embeddings", -1, "max_position_embeddings"}};
  for (const auto& [key, value, part] : cases) {
    const std::string error = config_error([&, key = key, value = value](Json& json) { json[key] = value; });
    EXPECT_TRUE(contains(error, part)) << key << ": " << error;
  }
  EXPECT_TRUE(
      contains(config_error([](Json& json) { json.erase("hidden_size"); }), "\"hidden_size\" is missing"));
  EXPECT_TRUE(contains(config_error([](Json& json) { json.erase("model_type"); }), "architecture"));
}

TEST_F(Weights, WhatIsLeftOutHasItsDefault) {
  Json json = hf_json(config_);
  for (const char* key : {"head_dim", "rope_theta", "tie_word_embeddings", "max_position_embeddings",
                          "rms_norm_eps", "hidden_act"})
    json.erase(key);
  json["num_attention_heads"] = 11;
  json["num_key_value_heads"] = 1;
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 123456.0}};
  write_hf(json, tensors_);
  const ModelConfig config = read_model_config(Checkpoint::open(folder_.path()));
  EXPECT_EQ(config.head_dim, 2);
  EXPECT_EQ(config.rope.rope_theta, 123456.0);
  EXPECT_EQ(config.max_position_embeddings, 2048);
  EXPECT_FALSE(config.tie_word_embeddings);
}

TEST(ModelConfig, CountsItsParameters) {
  for (const bool tied : {true, false}) {
    for (const bool biased : {true, false}) {
      ModelConfig config = testing::tiny_config();
      config.tie_word_embeddings = tied;
      config.qkv_bias = config.o_bias = config.mlp_bias = biased;
      int64_t count = 0;
      for (const auto& [name, t] : hf_tensors(config, random_weights(config, 1))) count += t.numel();
      EXPECT_EQ(config.num_parameters(), count);
    }
  }
}

}  // namespace
}  // namespace lora
