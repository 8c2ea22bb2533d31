// The shape of a decoder: what a checkpoint says of its architecture, in Transformers' names.
// How a family spells it is families/'s business; weights are weights.h's.
#pragma once

#include <cstdint>
#include <string>

#include "files/checkpoint.h"

namespace lora {

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
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  bool attention_bias = false;       // q, k, v, o carry a bias
  bool mlp_bias = false;             // gate, up, down carry a bias
  bool tie_word_embeddings = false;  // the head is the embedding

  // Parameters of the frozen base, for plans and tables.
  int64_t num_parameters() const;
};

// Reads and checks the configuration of a checkpoint. Errors: kInput naming the key: an unknown architecture, a value
// out of range, or sizes that contradict each other.
ModelConfig read_model_config(const Checkpoint& checkpoint);

// The checks alone. `where` names the source in errors.
void validate(const ModelConfig& config, const std::string& where);

}  // namespace lora
