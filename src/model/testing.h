// Tiny models, adapters and places on disk for the tests of this room and those above. Not part of the program.
#pragma once

#include <ATen/ATen.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/random.h"
#include "model/decoder.h"

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

inline Adapter tiny_adapter(at::ScalarType dtype, double lora_dropout = 0) {
  AdapterConfig config;
  config.r = 3;
  config.lora_alpha = 5;
  config.lora_dropout = lora_dropout;
  Adapter adapter = Adapter::create(tiny_config(), config, 7, dtype);
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
