#include "weights/gguf_names.h"

#include <algorithm>
#include <span>

namespace lora {
namespace {

// `#` stands for the number of the layer.
struct Row {
  std::string_view gguf, hf;
};

constexpr Row kTop[] = {
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
};
// Norms before attention and MLP; the second stands before the MLP, whatever its Hugging Face name says.
constexpr Row kTwoNorms[] = {
    {"blk.#.attn_norm.weight", "model.layers.#.input_layernorm.weight"},
    {"blk.#.ffn_norm.weight", "model.layers.#.post_attention_layernorm.weight"},
};
// Norms before and after each of them.
constexpr Row kFourNorms[] = {
    {"blk.#.attn_norm.weight", "model.layers.#.input_layernorm.weight"},
    {"blk.#.post_attention_norm.weight", "model.layers.#.post_attention_layernorm.weight"},
    {"blk.#.ffn_norm.weight", "model.layers.#.pre_feedforward_layernorm.weight"},
    {"blk.#.post_ffw_norm.weight", "model.layers.#.post_feedforward_layernorm.weight"},
};
// Norms after each of them only (OLMo 2).
constexpr Row kPostNorms[] = {
    {"blk.#.post_attention_norm.weight", "model.layers.#.post_attention_layernorm.weight"},
    {"blk.#.post_ffw_norm.weight", "model.layers.#.post_feedforward_layernorm.weight"},
};
constexpr Row kAttention[] = {
    {"blk.#.attn_q.weight", "model.layers.#.self_attn.q_proj.weight"},
    {"blk.#.attn_k.weight", "model.layers.#.self_attn.k_proj.weight"},
    {"blk.#.attn_v.weight", "model.layers.#.self_attn.v_proj.weight"},
    {"blk.#.attn_output.weight", "model.layers.#.self_attn.o_proj.weight"},
    {"blk.#.attn_q.bias", "model.layers.#.self_attn.q_proj.bias"},
    {"blk.#.attn_k.bias", "model.layers.#.self_attn.k_proj.bias"},
    {"blk.#.attn_v.bias", "model.layers.#.self_attn.v_proj.bias"},
    {"blk.#.attn_output.bias", "model.layers.#.self_attn.o_proj.bias"},
};
constexpr Row kQkNorm[] = {
    {"blk.#.attn_q_norm.weight", "model.layers.#.self_attn.q_norm.weight"},
    {"blk.#.attn_k_norm.weight", "model.layers.#.self_attn.k_norm.weight"},
};
constexpr Row kMlp[] = {
    {"blk.#.ffn_gate.weight", "model.layers.#.mlp.gate_proj.weight"},
    {"blk.#.ffn_up.weight", "model.layers.#.mlp.up_proj.weight"},
    {"blk.#.ffn_down.weight", "model.layers.#.mlp.down_proj.weight"},
};
constexpr Row kMlpBias[] = {
    {"blk.#.ffn_gate.bias", "model.layers.#.mlp.gate_proj.bias"},
    {"blk.#.ffn_up.bias", "model.layers.#.mlp.up_proj.bias"},
    {"blk.#.ffn_down.bias", "model.layers.#.mlp.down_proj.bias"},
};
// Phi 3 stores q, k and v in one matrix, gate and up in another.
constexpr Row kPhi3[] = {
    {"blk.#.attn_qkv.weight", "model.layers.#.self_attn.qkv_proj.weight"},
    {"blk.#.attn_output.weight", "model.layers.#.self_attn.o_proj.weight"},
    {"blk.#.ffn_up.weight", "model.layers.#.mlp.gate_up_proj.weight"},
    {"blk.#.ffn_down.weight", "model.layers.#.mlp.down_proj.weight"},
};

using Table = std::span<const Row>;
constexpr size_t kMostTables = 5;

struct Architecture {
  std::string_view name;
  Table tables[kMostTables];
  bool permutes_rope = false;
  bool norms_have_one_added = false;
};

constexpr Architecture kArchitectures[] = {
    {"llama", {kTop, kAttention, kTwoNorms, kMlp, kMlpBias}, true, false},
    {"qwen2", {kTop, kAttention, kTwoNorms, kMlp}},
    {"qwen3", {kTop, kAttention, kQkNorm, kTwoNorms, kMlp}},
    {"gemma", {kTop, kAttention, kTwoNorms, kMlp}, false, true},
    {"gemma2", {kTop, kAttention, kFourNorms, kMlp}, false, true},
    {"gemma3", {kTop, kAttention, kQkNorm, kFourNorms, kMlp}, false, true},
    {"phi3", {kTop, kTwoNorms, kPhi3}},
    {"smollm3", {kTop, kAttention, kTwoNorms, kMlp, kMlpBias}, true, false},
    {"olmo2", {kTop, kAttention, kQkNorm, kPostNorms, kMlp}},
    {"granite", {kTop, kAttention, kTwoNorms, kMlp, kMlpBias}, true, false},
};

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& architecture : kArchitectures)
    if (architecture.name == name) return &architecture;
  return nullptr;
}

// The layer's number when `name` fits `pattern` ("" when the pattern has no `#`); nullopt when it does not fit.
std::optional<std::string_view> match(std::string_view pattern, std::string_view name) {
  const size_t hash = pattern.find('#');
  if (hash == std::string_view::npos)
    return pattern == name ? std::optional(std::string_view()) : std::nullopt;
  const std::string_view before = pattern.substr(0, hash), after = pattern.substr(hash + 1);
  if (name.size() <= before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after))
    return std::nullopt;
  const std::string_view number = name.substr(hash, name.size() - before.size() - after.size());
  const bool plain = std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
                     (number.size() == 1 || number[0] != '0');
  return plain ? std::optional(number) : std::nullopt;
}

std::optional<std::string> translate(std::string_view architecture, std::string_view name,
                                     std::string_view Row::*from, std::string_view Row::*to) {
  const Architecture* found = find_architecture(architecture);
  if (!found) return std::nullopt;
  for (const Table table : found->tables)
    for (const Row& row : table)
      if (const auto number = match(row.*from, name)) {
        std::string result(row.*to);
        if (!number->empty()) result.replace(result.find('#'), 1, *number);
        return result;
      }
  return std::nullopt;
}

}  // namespace

bool gguf_architecture_known(std::string_view architecture) {
  return find_architecture(architecture) != nullptr;
}

std::optional<std::string> hf_name_of(std::string_view architecture, std::string_view gguf_name) {
  return translate(architecture, gguf_name, &Row::gguf, &Row::hf);
}

std::optional<std::string> gguf_name_of(std::string_view architecture, std::string_view hf_name) {
  return translate(architecture, hf_name, &Row::hf, &Row::gguf);
}

bool gguf_permutes_rope(std::string_view architecture) {
  const Architecture* found = find_architecture(architecture);
  return found && found->permutes_rope;
}

bool gguf_norms_have_one_added(std::string_view architecture) {
  const Architecture* found = find_architecture(architecture);
  return found && found->norms_have_one_added;
}

}  // namespace lora
