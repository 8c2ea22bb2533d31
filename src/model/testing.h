// Tiny models, adapters and places on disk for the tests of this room and those above. Not part of the program.
#pragma once

#include <ATen/ATen.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/random.h"
#include "model/decoder.h"
#include "weights/bnb_4bit.h"

namespace lora::testing {

// Grouped heads, sizes that no vector width divides, an untied head.
inline ModelConfig tiny_config() {
  ModelConfig c;
  c.family = "llama";
  c.vocab_size = 61;
  c.hidden_size = 22;
  c.intermediate_size = 37;
  c.num_hidden_layers = 3;
  c.num_attention_heads = 6;
  c.num_key_value_heads = 2;
  c.head_dim = 6;
  c.max_position_embeddings = 4096;
  c.rms_norm_eps = 1e-5;
  return c;
}

// One for each thing in which families differ from the plain case, and their combinations as families have them. Windows
// and LongRoPE's border are shorter than the texts of tests.
inline std::vector<ModelConfig> tiny_family_configs() {
  std::vector<ModelConfig> all;
  const auto add = [&](const char* name) -> ModelConfig& {
    ModelConfig& c = all.emplace_back(tiny_config());
    c.family = name;
    return c;
  };
  using Rope = LayerConfig::Rope;
  ModelConfig& window = add("windows in some layers");
  window.layers = {{5}, {0}, {2}};
  ModelConfig& qwen = add("q/k norms by head, biases");
  qwen.qk_norm = QkNorm::kHead;
  qwen.qkv_bias = true;
  ModelConfig& gemma2 = add("caps, norms before and after, GeGLU, embedding scale");
  gemma2.norm_placement = NormPlacement::kBoth;
  gemma2.activation = Activation::kGeluTanh;
  gemma2.embedding_multiplier = 4.7;
  gemma2.attention_multiplier = 0.3;
  gemma2.attn_logit_softcapping = 2;
  gemma2.final_logit_softcapping = 3;
  gemma2.layers = {{6}, {0}, {6}};
  ModelConfig& gemma3 = add("two ropes");
  gemma3.norm_placement = NormPlacement::kBoth;
  gemma3.qk_norm = QkNorm::kHead;
  gemma3.tie_word_embeddings = true;
  gemma3.layers = {{4, Rope::kLocal}, {0, Rope::kGlobal}, {4, Rope::kLocal}};
  gemma3.rope.factors = {8, 8, 8};
  gemma3.local_rope.rope_theta = 100;
  ModelConfig& phi = add("fused projections, part of a head turned, LongRoPE");
  phi.modules = {Module::kQkv, Module::kO, Module::kGateUp, Module::kDown};
  phi.rope = {.rope_theta = 50,
              .rotary_dim = 4,
              .factors = {1, 1.3},
              .long_factors = {2, 4},
              .original_max_position_embeddings = 14,
              .attention_factor = 1.2};
  ModelConfig& smollm = add("NoPE");
  smollm.layers = {{0, Rope::kGlobal}, {0, Rope::kNone}, {5, Rope::kNone}};
  ModelConfig& olmo = add("norms after, q/k norms over the projection");
  olmo.norm_placement = NormPlacement::kAfter;
  olmo.qk_norm = QkNorm::kProjection;
  ModelConfig& granite = add("multipliers");
  granite.embedding_multiplier = 6;
  granite.attention_multiplier = 0.2;
  granite.residual_multiplier = 0.4;
  granite.logits_scaling = 3;
  granite.o_bias = granite.mlp_bias = true;
  return all;
}

// The same model with every matrix in 4 bits, and such a model laid out whole.
inline ModelWeights packed_weights(ModelWeights weights) {
  const auto pack = [](FrozenMatrix& matrix) {
    if (matrix.defined())
      matrix = FrozenMatrix::of_four_bit(
          quantize_4bit(matrix.dense().to(at::kFloat), FourBitType::kNf4, /*double_quant=*/true));
  };
  pack(weights.embedding);
  pack(weights.head);
  for (BlockWeights& block : weights.blocks)
    for (LinearWeights& linear : block.modules) pack(linear.weight);
  return weights;
}
inline ModelWeights dense_weights(ModelWeights weights) {
  const auto unpack = [&](FrozenMatrix& matrix) {
    if (matrix.defined()) matrix = matrix.to_dense(weights.dtype());
  };
  unpack(weights.embedding);
  unpack(weights.head);
  for (BlockWeights& block : weights.blocks)
    for (LinearWeights& linear : block.modules) unpack(linear.weight);
  return weights;
}

inline Decoder tiny_decoder(at::ScalarType dtype, ops::Backend backend = ops::Backend::kFused) {
  return Decoder(tiny_config(), random_weights(tiny_config(), 1, dtype), backend);
}

// At B = 0 every gradient of A is zero and proves nothing.
inline void randomize_B(Adapter& adapter, uint64_t seed, double deviation = 0.3) {
  Random random(seed, 0x42);
  for (const Adapter::Entry& entry : adapter.entries()) {
    if (entry.is_A) continue;
    at::Tensor draw = at::empty(entry.tensor.sizes(), at::TensorOptions().dtype(at::kDouble));
    for (int64_t i = 0; i < draw.numel(); ++i) draw.data_ptr<double>()[i] = deviation * random.normal();
    at::Tensor(entry.tensor).copy_(draw);
  }
}

inline Adapter tiny_adapter(at::ScalarType dtype, double lora_dropout = 0,
                            const ModelConfig& model = tiny_config()) {
  AdapterConfig config;
  config.r = 3;
  config.lora_alpha = 5;
  config.lora_dropout = lora_dropout;
  Adapter adapter = Adapter::create(model, config, 7, dtype);
  randomize_B(adapter, 8);
  return adapter;
}

// A folder that is empty at first and gone at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "lora_test_XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace lora::testing
