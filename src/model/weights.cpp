#include "model/weights.h"

#include <ATen/ATen.h>

#include <set>
#include <string>

#include "base/error.h"
#include "base/random.h"
#include "weights/gguf_names.h"
#include "weights/load.h"

namespace lora {
namespace {

constexpr std::array<std::string_view, kNumModules> kNames{"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                           "gate_proj", "up_proj", "down_proj"};
constexpr std::array<std::string_view, kNumModules> kPaths{
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

bool has_bias(const ModelConfig& config, Module module) {
  return module <= Module::kO ? config.attention_bias : config.mlp_bias;
}

// Looks tensors up by their Hugging Face names, and remembers which were used.
class Loader {
 public:
  Loader(const Checkpoint& checkpoint, const ModelConfig& config, at::ScalarType dtype)
      : checkpoint_(checkpoint), config_(config), dtype_(dtype) {
    if (checkpoint.is_gguf()) architecture_ = checkpoint.gguf().get_string("general.architecture");
  }

  at::Tensor load(const std::string& hf_name, const std::vector<int64_t>& shape) {
    std::string name = hf_name;
    if (checkpoint_.is_gguf()) name = gguf_name_of(architecture_, hf_name).value_or(hf_name);
    const TensorInfo* info = checkpoint_.find(name);
    if (!info)
      throw Error::input({.where = checkpoint_.path().string(),
                          .found = "the tensor " + name + " is missing",
                          .fix = "The checkpoint is incomplete; download it again."});
    if (info->shape != shape)
      throw Error::input({.where = checkpoint_.path().string(),
                          .found = "the tensor " + name + " has the shape " + info->shape_text(),
                          .expected = TensorInfo{.name = {}, .shape = shape, .bytes = {}}.shape_text(),
                          .fix = "Weights and configuration do not belong together."});
    used_.insert(info->name);
    return load_tensor(*info, dtype_);
  }

  // q and k of some GGUF architectures lie in another row order.
  at::Tensor load_module(const std::string& hf_name, const std::vector<int64_t>& shape, Module module) {
    at::Tensor t = load(hf_name, shape);
    if (!checkpoint_.is_gguf() || !gguf_permutes_rope(architecture_)) return t;
    if (module == Module::kQ) return undo_rope_permutation(t, config_.num_attention_heads);
    if (module == Module::kK) return undo_rope_permutation(t, config_.num_key_value_heads);
    return t;
  }

  void refuse_leftovers() const {
    for (const TensorInfo& info : checkpoint_.tensors()) {
      if (used_.contains(info.name)) continue;
      // Computed from the configuration, kept by older exporters.
      if (info.name.ends_with("rotary_emb.inv_freq")) continue;
      // A head that a tied checkpoint stores a second time.
      if (config_.tie_word_embeddings && info.name == "lm_head.weight") continue;
      throw Error::input({.where = checkpoint_.path().string(),
                          .found = "the tensor " + info.name + " has no place in this architecture",
                          .fix = "The model would not be computed as it was trained, so it is refused."});
    }
  }

 private:
  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  at::ScalarType dtype_;
  std::string architecture_;
  std::set<std::string> used_;
};

}  // namespace

std::string_view module_name(Module module) {
  return kNames[static_cast<size_t>(module)];
}
std::string_view module_path(Module module) {
  return kPaths[static_cast<size_t>(module)];
}

std::pair<int64_t, int64_t> module_shape(const ModelConfig& c, Module module) {
  const int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  switch (module) {
    case Module::kQ:
      return {q, c.hidden_size};
    case Module::kK:
    case Module::kV:
      return {kv, c.hidden_size};
    case Module::kO:
      return {c.hidden_size, q};
    case Module::kGate:
    case Module::kUp:
      return {c.intermediate_size, c.hidden_size};
    case Module::kDown:
      return {c.hidden_size, c.intermediate_size};
  }
  __builtin_unreachable();
}

ModelWeights load_weights(const Checkpoint& checkpoint, const ModelConfig& config, at::ScalarType dtype) {
  Loader loader(checkpoint, config, dtype);
  ModelWeights weights;
  weights.embedding = loader.load("model.embed_tokens.weight", {config.vocab_size, config.hidden_size});
  weights.norm = loader.load("model.norm.weight", {config.hidden_size});
  weights.head = config.tie_word_embeddings
                     ? weights.embedding
                     : loader.load("lm_head.weight", {config.vocab_size, config.hidden_size});
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    BlockWeights& block = weights.blocks.emplace_back();
    block.input_norm = loader.load(prefix + "input_layernorm.weight", {config.hidden_size});
    block.post_attention_norm = loader.load(prefix + "post_attention_layernorm.weight", {config.hidden_size});
    for (const Module module : kModules) {
      const auto [out, in] = module_shape(config, module);
      const std::string name = prefix + std::string(module_path(module));
      LinearWeights& linear = block.module(module);
      linear.weight = loader.load_module(name + ".weight", {out, in}, module);
      if (has_bias(config, module)) linear.bias = loader.load_module(name + ".bias", {out}, module);
    }
  }
  loader.refuse_leftovers();
  checkpoint.release_pages();
  return weights;
}

ModelWeights random_weights(const ModelConfig& config, uint64_t seed, at::ScalarType dtype) {
  Random random(seed, 0x77656967);
  const auto draw = [&](std::vector<int64_t> shape, double mean, double deviation) {
    at::Tensor t = at::empty(shape, at::TensorOptions().dtype(at::kDouble));
    double* data = t.data_ptr<double>();
    for (int64_t i = 0; i < t.numel(); ++i) data[i] = mean + deviation * random.normal();
    return t.to(dtype);
  };
  ModelWeights weights;
  weights.embedding = draw({config.vocab_size, config.hidden_size}, 0, 1);
  weights.norm = draw({config.hidden_size}, 1, 0.1);
  weights.head =
      config.tie_word_embeddings ? weights.embedding : draw({config.vocab_size, config.hidden_size}, 0, 0.2);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    BlockWeights& block = weights.blocks.emplace_back();
    block.input_norm = draw({config.hidden_size}, 1, 0.1);
    block.post_attention_norm = draw({config.hidden_size}, 1, 0.1);
    for (const Module module : kModules) {
      const auto [out, in] = module_shape(config, module);
      block.module(module).weight = draw({out, in}, 0, 1.0 / std::sqrt(static_cast<double>(in)));
      if (has_bias(config, module)) block.module(module).bias = draw({out}, 0, 0.1);
    }
  }
  return weights;
}

}  // namespace lora
