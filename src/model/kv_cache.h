// Keys and values of tokens already read, for generation: one buffer of rows for each layer, shared by all sequences.
// Which rows belong to whom is the business of who fills it (generate/).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/config.h"

namespace lora {

struct KvCache {
  std::vector<at::Tensor> keys,
      values;  // per layer: (capacity, num_key_value_heads * head_dim); keys are rotated

  // Room for `capacity` tokens, as the decoder computes (Decoder::options).
  KvCache(const ModelConfig& config, int64_t capacity, const at::TensorOptions& options);
  // At least `capacity` rows; what rows hold stays. Grows by half or more, so that many small growths cost little.
  void reserve(int64_t capacity);
  int64_t capacity() const { return keys.empty() ? 0 : keys[0].size(0); }
};

}  // namespace lora
