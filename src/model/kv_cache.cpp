#include "model/kv_cache.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace lora {

KvCache::KvCache(const ModelConfig& config, int64_t capacity, const at::TensorOptions& options) {
  const int64_t width = config.num_key_value_heads * config.head_dim;
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    keys.push_back(at::empty({capacity, width}, options));
    values.push_back(at::empty({capacity, width}, options));
  }
}

void KvCache::reserve(int64_t wanted) {
  const int64_t held = capacity();
  if (wanted <= held) return;
  wanted = std::max(wanted, held + held / 2);
  for (auto* side : {&keys, &values})
    for (at::Tensor& rows : *side) {
      at::Tensor larger = at::empty({wanted, rows.size(1)}, rows.options());
      larger.narrow(0, 0, held).copy_(rows);
      rows = larger;
    }
}

}  // namespace lora
