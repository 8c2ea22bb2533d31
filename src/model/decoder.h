// A decoder-only transformer with a frozen base and, when one is given, a LoRA adapter. One Decoder runs base and tuned:
// base is the tuned model with the adapter left out. It reads forests (training, scoring) and cached tokens (generation).
// Neither optimizer nor sampling here.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"
#include "model/forest.h"
#include "model/kv_cache.h"
#include "model/recompute.h"
#include "model/weights.h"
#include "ops/backend.h"
#include "ops/head_loss.h"

namespace lora {

// Tokens [begin, end) of a pass are read with this adapter.
struct AdapterTokens {
  int64_t begin, end;
  const Adapter* adapter;
};

// New tokens that follow cached ones.
struct CachedTokens {
  std::vector<int64_t> ids;         // (T)
  std::vector<int64_t> positions;   // (T)
  std::vector<int64_t> cache_rows;  // (T) where their keys and values go
  ops::AttentionLayout layout;      // query rows are 0 … T-1, key rows are rows of the cache
  std::vector<int64_t> rows;        // of which tokens the logits are wanted
  // Ascending, apart from each other. Tokens of none are the base's. A text keeps its adapter: keys depend on it.
  std::vector<AdapterTokens> adapters{};
  // A sequence that outgrows ModelConfig::long_rope_length() must be read anew from its first token (generate/ does).
};

class Decoder {
 public:
  // On a device other than the CPU it is ops::Backend::kReference that runs, whatever `backend` is.
  Decoder(ModelConfig config, ModelWeights weights, ops::Backend backend = ops::Backend::kFused);

  const ModelConfig& config() const { return config_; }
  const ModelWeights& weights() const { return weights_; }
  // Type and device of what it computes with. What it takes, an adapter too, and what it gives lie on the CPU.
  at::TensorOptions options() const { return weights_.norm.options(); }

  // Sum of nll over the forest's scored rows (differentiable with respect to the adapter), and each row's nll.
  // `mask_seed` names the dropout masks of this step; nullopt is evaluation: nothing is dropped.
  // `recompute` says what is kept for the backward pass, which then reads this decoder and `adapter` again.
  ops::HeadLoss loss(const Forest& forest, const Adapter* adapter, std::optional<uint64_t> mask_seed,
                     Recompute recompute = Recompute::kNone) const;

  // (T, vocab_size): logits of every token. For tests and small inputs.
  at::Tensor logits(const Forest& forest, const Adapter* adapter) const;

  // Reads tokens, fills their rows of the cache, gives the logits of `tokens.rows`: (rows, vocab_size). No gradients.
  at::Tensor forward_cached(const CachedTokens& tokens, KvCache& cache) const;

 private:
  struct Context;  // what all blocks of one pass share
  struct Block;    // one layer of one pass
  void prune(Context& context, const std::vector<int64_t>& rows, int64_t tokens) const;
  at::Tensor hidden(const std::shared_ptr<Context>& context, const std::vector<int64_t>& ids,
                    const std::vector<int64_t>& positions, const std::vector<int64_t>& lengths,
                    const std::vector<int64_t>* rows) const;
  ops::HeadShape head_shape() const;
  MatmulPrecision kept_precision() const;

  ModelConfig config_;
  ModelWeights weights_;
  ops::Backend backend_;
};

}  // namespace lora
