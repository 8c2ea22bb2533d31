#include "model/modules.h"

#include "model/config.h"

namespace lora {
namespace {

struct Names {
  std::string_view name, path;
};

constexpr std::array<Names, kNumModules> kNames{{{"q_proj", "self_attn.q_proj"},
                                                 {"k_proj", "self_attn.k_proj"},
                                                 {"v_proj", "self_attn.v_proj"},
                                                 {"o_proj", "self_attn.o_proj"},
                                                 {"gate_proj", "mlp.gate_proj"},
                                                 {"up_proj", "mlp.up_proj"},
                                                 {"down_proj", "mlp.down_proj"},
                                                 {"qkv_proj", "self_attn.qkv_proj"},
                                                 {"gate_up_proj", "mlp.gate_up_proj"}}};

}  // namespace

std::string_view module_name(Module module) {
  return kNames[static_cast<size_t>(module)].name;
}

std::string_view module_path(Module module) {
  return kNames[static_cast<size_t>(module)].path;
}

std::string module_full_path(int64_t layer, Module module) {
  return "model.layers." + std::to_string(layer) + "." + std::string(module_path(module));
}

std::pair<int64_t, int64_t> module_shape(const ModelConfig& c, Module module) {
  const int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  switch (module) {
    case Module::kQ:
      return {q, c.hidden_size};
    case Module::kK:
    case Module::kV:
      return {kv, c.hidden_size};
    case Module::kQkv:
      return {q + 2 * kv, c.hidden_size};
    case Module::kO:
      return {c.hidden_size, q};
    case Module::kGate:
    case Module::kUp:
      return {c.intermediate_size, c.hidden_size};
    case Module::kGateUp:
      return {2 * c.intermediate_size, c.hidden_size};
    case Module::kDown:
      return {c.hidden_size, c.intermediate_size};
  }
  __builtin_unreachable();
}

bool module_has_bias(const ModelConfig& c, Module module) {
  switch (module) {
    case Module::kQ:
    case Module::kK:
    case Module::kV:
    case Module::kQkv:
      return c.qkv_bias;
    case Module::kO:
      return c.o_bias;
    case Module::kGate:
    case Module::kUp:
    case Module::kGateUp:
    case Module::kDown:
      return c.mlp_bias;
  }
  __builtin_unreachable();
}

}  // namespace lora
