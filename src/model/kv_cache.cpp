#include "model/kv_cache.h"

#include <ATen/ATen.h>

namespace lora {

KvCache::KvCache(const ModelConfig& config, int64_t capacity, at::ScalarType dtype) {
  const auto options = at::TensorOptions().dtype(dtype);
  const int64_t width = config.num_key_value_heads * config.head_dim;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    keys.push_back(at::empty({capacity, width}, options));
    values.push_back(at::empty({capacity, width}, options));
  }
}

}  // namespace lora
