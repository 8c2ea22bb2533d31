// The shape of a decoder: what a checkpoint says of its architecture, as data, so that the decoder asks no family's name.
// How a family spells it is families/'s business; weights are weights.h's. Names are Transformers' where they exist.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "files/checkpoint.h"
#include "model/modules.h"
#include "ops/activation.h"

namespace lora {

// How the heads of q and k are turned by position (arXiv 2104.09864). Pair i of a head turns by
//   position * rope_theta^(-2i / rotary_dim) / factors[i].
struct RopeConfig {
  double rope_theta = 10000;
  int64_t rotary_dim = 0;       // so many numbers of each head are turned, the rest stay; 0: all
  std::vector<double> factors;  // (rotary_dim / 2), or empty: no scaling
  // LongRoPE (arXiv 2402.13753): in place of `factors` for sequences of more than original_max_position_embeddings tokens.
  std::vector<double> long_factors;
  int64_t original_max_position_embeddings = 0;
  double attention_factor = 1;  // cos and sin are multiplied by it
};

using ops::Activation;
// Where a block normalises: what attention and MLP read, what they give (before the residual is added), or both.
enum class NormPlacement { kBefore, kAfter, kBoth };
// q and k normalised before they are turned: each head alone, or the whole projection at once.
enum class QkNorm { kNone, kHead, kProjection };

// In what a layer may differ from the others.
struct LayerConfig {
  enum class Rope { kNone, kGlobal, kLocal };
  int64_t sliding_window =
      0;  // a query sees itself and the sliding_window - 1 tokens before; 0: all before it
  Rope rope = Rope::kGlobal;  // ModelConfig::rope, ModelConfig::local_rope, or not turned at all (NoPE)
};

struct ModelConfig {
  std::string family;  // "llama", …: a row of families/families.h
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  bool tie_word_embeddings = false;  // the head is the embedding

  std::vector<Module> modules{kPlainModules.begin(), kPlainModules.end()};  // of a block, in the order of use
  bool qkv_bias = false;                                                    // q, k, v carry a bias
  bool o_bias = false;
  bool mlp_bias = false;  // gate, up, down carry a bias

  double rms_norm_eps = 1e-6;
  NormPlacement norm_placement = NormPlacement::kBefore;
  QkNorm qk_norm = QkNorm::kNone;
  bool norm_adds_one = false;  // norms multiply by 1 + w, where w is what a Hugging Face checkpoint stores
  Activation activation = Activation::kSilu;

  RopeConfig rope, local_rope;
  std::vector<LayerConfig> layers;  // one a layer; empty: all plain

  double embedding_multiplier = 1;
  double attention_multiplier = 0;     // of q . k; 0: 1 / sqrt(head_dim)
  double residual_multiplier = 1;      // of what attention and MLP add to the residual
  double logits_scaling = 1;           // logits are divided by it
  double attn_logit_softcapping = 0;   // s becomes c tanh(s / c); 0: not capped
  double final_logit_softcapping = 0;  // the same for logits

  LayerConfig layer(int64_t i) const {
    return layers.empty() ? LayerConfig{} : layers[static_cast<size_t>(i)];
  }
  bool has(Module module) const;
  double attention_scale() const;
  // Sequences of more tokens turn by another rope (LongRoPE), so that they share no hidden state with shorter ones; 0: none.
  int64_t long_rope_length() const {
    return rope.long_factors.empty() ? 0 : rope.original_max_position_embeddings;
  }
  // Parameters of the frozen base, for plans and tables.
  int64_t num_parameters() const;
};

// Reads and checks the configuration of a checkpoint. Errors: kInput naming the key: an unknown architecture, a value
// out of range, or sizes that contradict each other.
ModelConfig read_model_config(const Checkpoint& checkpoint);

// The checks alone. `where` names the source in errors.
void validate(const ModelConfig& config, const std::string& where);

}  // namespace lora
