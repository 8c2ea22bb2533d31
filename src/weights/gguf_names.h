// Tensor names of GGUF files and their Hugging Face twins, one table per architecture (`general.architecture`).
// Names only: layout differences (the q/k permutation) are load.h's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lora {

// True when there is a table for `architecture` ("llama", which Mistral's files use too, "qwen2", "qwen3", "gemma",
// "gemma2", "gemma3", "phi3", "smollm3", "olmo2", "granite").
bool gguf_architecture_known(std::string_view architecture);

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight", and back. nullopt: no such row in the table, or
// no such table. Not every GGUF tensor has a twin: `rope_freqs.weight`, `rope_factors_long.weight` and
// `rope_factors_short.weight` are numbers of the configuration, for its readers.
std::optional<std::string> hf_name_of(std::string_view architecture, std::string_view gguf_name);
std::optional<std::string> gguf_name_of(std::string_view architecture, std::string_view hf_name);

// True when the architecture's files hold rows of q and k, weights and biases, permuted for interleaved RoPE (load.h
// undoes it).
bool gguf_permutes_rope(std::string_view architecture);

// True when the architecture's files hold norm weights with 1 added (Gemma; all its norms, q_norm and k_norm too).
bool gguf_norms_have_one_added(std::string_view architecture);

}  // namespace lora
