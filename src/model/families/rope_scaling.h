// How checkpoints spell rotary embeddings and their scaling, resolved to RopeConfig. The formulas are those of Transformers'
// modeling_rope_utils: "linear", "llama3", "yarn" (arXiv 2309.00071), "longrope" (arXiv 2402.13753). "dynamic" scales only
// beyond max_position_embeddings, where no row is admitted, so up to there it is the plain case.
#pragma once

#include "model/config.h"
#include "model/families/config_reader.h"
#include "model/families/gguf_reader.h"

namespace lora {

// One set of parameters: an entry of rope_parameters, or rope_scaling. `rope` holds what they fall back to (rope_theta,
// rotary_dim, original_max_position_embeddings); head_dim and max_position_embeddings of `sizes` are known.
// Errors: kInput naming a type of scaling that is not known.
RopeConfig rope_from_parameters(const ConfigReader& parameters, const ModelConfig& sizes, RopeConfig rope);

// rope_parameters (Transformers 5), or rope_theta, partial_rotary_factor and rope_scaling (before).
RopeConfig rope_from_hf(const ConfigReader& config, const ModelConfig& sizes, double default_theta = 10000);

// rope.* of the metadata, and the tensors rope_freqs, rope_factors_short and rope_factors_long.
RopeConfig rope_from_gguf(const GgufReader& gguf, const ModelConfig& sizes);

}  // namespace lora
