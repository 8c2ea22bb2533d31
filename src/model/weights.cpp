#include "model/weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include "base/error.h"
#include "base/random.h"
#include "weights/bnb_4bit.h"
#include "weights/gguf_names.h"
#include "weights/load.h"

namespace lora {
namespace {

constexpr const char *kEmbedding = "model.embed_tokens.weight", *kNorm = "model.norm.weight",
                     *kHead = "lm_head.weight";

std::string layer_prefix(int64_t layer) {
  return "model.layers." + std::to_string(layer) + ".";
}

// Looks tensors up by their Hugging Face names, and remembers which were used.
class Loader {
 public:
  Loader(const Checkpoint& checkpoint, const ModelConfig& config, at::ScalarType dtype, BaseStorage storage,
         const c10::Device& device = c10::kCPU)
      : checkpoint_(checkpoint), config_(config), dtype_(dtype), storage_(storage), device_(device) {
    if (checkpoint.is_gguf()) architecture_ = checkpoint.gguf().get_string("general.architecture");
  }

  // Embedding and head: bitsandbytes leaves them as they are. `in_file`: fp32 is not copied.
  FrozenMatrix load_embedding(const std::string& hf_name, bool in_file = false) {
    const std::vector<int64_t> shape{config_.vocab_size, config_.hidden_size};
    if (in_file && !is_bnb_4bit(checkpoint_, hf_name)) return FrozenMatrix::of_file(find(hf_name, shape));
    return placed(load_matrix(hf_name, shape, 0, false));
  }

  FrozenMatrix load_module_weight(const std::string& hf_name, Module module) {
    const auto [out, in] = module_shape(config_, module);
    return placed(load_matrix(hf_name, {out, in}, rope_heads(module), quantizes()));
  }

  at::Tensor load_module_bias(const std::string& hf_name, Module module) {
    const at::Tensor bias = load_tensor(find(hf_name, {module_shape(config_, module).first}), dtype_);
    const int64_t heads = rope_heads(module);
    return (heads > 0 ? undo_rope_permutation(bias, heads) : bias).to(device_);
  }

  at::Tensor load_norm(const std::string& hf_name, int64_t width) {
    at::Tensor weight = load_tensor(find(hf_name, {width}), dtype_);
    const bool stored_with_one = checkpoint_.is_gguf() && gguf_norms_have_one_added(architecture_);
    return (config_.norm_adds_one && !stored_with_one ? weight.add_(1) : weight).to(device_);
  }

  bool has_quantized() const { return has_quantized_; }

  // What load_embedding, load_module_weight, load_module_bias and load_norm would take.
  void count_embedding(const std::string& hf_name, BaseBytes& bytes) {
    count_matrix(hf_name, {config_.vocab_size, config_.hidden_size}, false, bytes);
  }
  void count_module_weight(const std::string& hf_name, Module module, BaseBytes& bytes) {
    const auto [out, in] = module_shape(config_, module);
    if (count_matrix(hf_name, {out, in}, quantizes(), bytes)) bytes.quantized = true;
  }
  void count_vector(const std::string& hf_name, int64_t width, BaseBytes& bytes) {
    find(hf_name, {width});
    bytes.allocated += static_cast<size_t>(width) * c10::elementSize(dtype_);
  }

  void refuse_leftovers() const {
    for (const TensorInfo& info : checkpoint_.tensors()) {
      if (used_.contains(info.name)) continue;
      // Computed from the configuration, kept by older exporters.
      if (info.name.ends_with("rotary_emb.inv_freq")) continue;
      // Configuration that GGUF keeps as tensors, read by the family.
      if (checkpoint_.is_gguf() && info.name.starts_with("rope_f")) continue;
      // A head that a tied checkpoint stores a second time.
      if (config_.tie_word_embeddings && info.name == kHead) continue;
      throw Error::input({.where = checkpoint_.path().string(),
                          .found = "the tensor " + info.name + " has no place in this architecture",
                          .fix = "The model would not be computed as it was trained, so it is refused."});
    }
  }

 private:
  const TensorInfo& find(const std::string& hf_name, const std::vector<int64_t>& shape) {
    std::string name = hf_name;
    if (checkpoint_.is_gguf()) name = gguf_name_of(architecture_, hf_name).value_or(hf_name);
    const TensorInfo* info = checkpoint_.find(name);
    if (!info)
      throw Error::input({.where = checkpoint_.path().string(),
                          .found = "the tensor " + name + " is missing",
                          .fix = "The checkpoint is incomplete; download it again."});
    require_shape(name, info->shape, shape);
    used_.insert(info->name);
    return *info;
  }

  bool quantizes() const {
    return storage_ == BaseStorage::kFourBit || storage_ == BaseStorage::kFourBitPassing;
  }
  bool passes() const {
    return storage_ == BaseStorage::kPassing || storage_ == BaseStorage::kFourBitPassing;
  }
  std::shared_ptr<const MappedFile> file_of(const TensorInfo& info) const {
    const auto holds = [&](const std::shared_ptr<const MappedFile>& file) {
      const std::span<const std::byte> all = file->bytes();
      return !std::less<>()(info.bytes.data(), all.data()) &&
             !std::less<>()(all.data() + all.size(), info.bytes.data() + info.bytes.size());
    };
    return *std::ranges::find_if(files_, holds);  // a checkpoint's tensors lie in its files
  }

  FrozenMatrix placed(FrozenMatrix matrix) const {
    return device_.is_cpu() || passes() ? matrix : matrix.on(device_);
  }

  // q and k of some GGUF architectures lie in another row order: of how many heads, or 0.
  int64_t rope_heads(Module module) const {
    if (!checkpoint_.is_gguf() || !gguf_permutes_rope(architecture_)) return 0;
    if (module == Module::kQ) return config_.num_attention_heads;
    if (module == Module::kK) return config_.num_key_value_heads;
    return 0;
  }

  FrozenMatrix load_matrix(const std::string& hf_name, const std::vector<int64_t>& shape, int64_t rope_heads,
                           bool quantize) {
    if (is_bnb_4bit(checkpoint_, hf_name)) {
      FourBitWeight weight = read_bnb_4bit(checkpoint_, hf_name);
      require_shape(hf_name, weight.shape, shape);
      for (std::string& part : bnb_4bit_tensors(checkpoint_, hf_name)) used_.insert(std::move(part));
      checkpoint_.release_pages();
      if (storage_ == BaseStorage::kDense) return dequantize_4bit(weight, dtype_);
      return FrozenMatrix::of_four_bit(std::move(weight));
    }
    const TensorInfo& info = find(hf_name, shape);
    const bool wide = info.dtype == DType::kF32 || info.dtype == DType::kF64;
    if (quantize && !dtype_is_quantized(info.dtype)) return quantized(info, rope_heads);
    if (passes()) return FrozenMatrix::of_file(info, rope_heads, file_of(info));
    if (storage_ != BaseStorage::kDense && !wide) return FrozenMatrix::of_file(info, rope_heads);
    const at::Tensor dense = load_tensor(info, dtype_);
    checkpoint_.release_pages();
    return rope_heads > 0 ? undo_rope_permutation(dense, rope_heads) : dense;
  }

  // Twin of load_matrix, and in its order. Whether the matrix is quantized.
  bool count_matrix(const std::string& hf_name, const std::vector<int64_t>& shape, bool quantize,
                    BaseBytes& bytes) {
    const auto numbers = static_cast<size_t>(shape[0] * shape[1]);
    const size_t dense = numbers * c10::elementSize(dtype_);
    if (is_bnb_4bit(checkpoint_, hf_name)) {
      size_t parts = 0;
      for (std::string& part : bnb_4bit_tensors(checkpoint_, hf_name)) {
        // Its JSON and the code of its numbers are read, and not kept.
        if (const TensorInfo* info = checkpoint_.find(part);
            info && part.find(".quant_state.") == std::string::npos && !part.ends_with(".quant_map"))
          parts += info->bytes.size();
        used_.insert(std::move(part));
      }
      bytes.allocated += storage_ == BaseStorage::kDense ? dense : parts;
      bytes.loading = std::max(bytes.loading, parts);
      return storage_ != BaseStorage::kDense;
    }
    const TensorInfo& info = find(hf_name, shape);
    const bool wide = info.dtype == DType::kF32 || info.dtype == DType::kF64;
    if (quantize && !dtype_is_quantized(info.dtype)) {
      const size_t spilled = passes() ? (numbers + 1) / 2 : 0;  // the codes
      bytes.allocated += four_bit_bytes(numbers) - spilled;
      bytes.spilled += spilled;
      bytes.loading = std::max(bytes.loading, 2 * info.bytes.size());
      return true;
    }
    if (passes()) return dtype_is_quantized(info.dtype);
    if (storage_ != BaseStorage::kDense && !wide) {
      bytes.mapped += info.bytes.size();
    } else {
      bytes.allocated += dense;
      bytes.loading = std::max(bytes.loading, info.bytes.size());
    }
    return storage_ != BaseStorage::kDense && dtype_is_quantized(info.dtype);
  }

  // Of quantized(): codes, two to a byte; a code for each block's scale; their scales; the code itself.
  static size_t four_bit_bytes(size_t numbers) {
    constexpr size_t kBlock = 64, kScales = 256, kCode = 256;
    const size_t blocks = (numbers + kBlock - 1) / kBlock;
    return (numbers + 1) / 2 + blocks + sizeof(float) * ((blocks + kScales - 1) / kScales + kCode);
  }

  // Rounded to the type of the file when it is unpacked, as bitsandbytes does.
  FrozenMatrix quantized(const TensorInfo& info, int64_t rope_heads) {
    has_quantized_ = true;
    const at::ScalarType stored = info.dtype == DType::kBF16  ? at::kBFloat16
                                  : info.dtype == DType::kF16 ? at::kHalf
                                                              : at::kFloat;
    at::Tensor full = load_tensor(info, stored);
    if (rope_heads > 0) full = undo_rope_permutation(full, rope_heads);
    checkpoint_.release_pages();  // a model may be larger than memory
    return FrozenMatrix::of_four_bit(quantize_4bit(full, FourBitType::kNf4, /*double_quant=*/true), codes_);
  }

  void require_shape(const std::string& name, const std::vector<int64_t>& found,
                     const std::vector<int64_t>& expected) const {
    const auto text = [](const std::vector<int64_t>& shape) {
      return TensorInfo{.name = {}, .shape = shape, .bytes = {}}.shape_text();
    };
    if (found != expected)
      throw Error::input({.where = checkpoint_.path().string(),
                          .found = "the tensor " + name + " has the shape " + text(found),
                          .expected = text(expected),
                          .fix = "Weights and configuration do not belong together."});
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  at::ScalarType dtype_;
  BaseStorage storage_;
  c10::Device device_;
  std::vector<std::shared_ptr<const MappedFile>> files_ = checkpoint_.mappings();
  // Where the codes of what is quantized go; null: they stay in memory.
  std::shared_ptr<SpillFile> codes_ = passes() ? std::make_shared<SpillFile>(0) : nullptr;
  std::string architecture_;
  std::set<std::string> used_;
  bool has_quantized_ = false;
};

}  // namespace

BaseStorage base_storage(bool load_in_4bit, bool passing) {
  if (load_in_4bit) return passing ? BaseStorage::kFourBitPassing : BaseStorage::kFourBit;
  return passing ? BaseStorage::kPassing : BaseStorage::kPacked;
}

std::vector<NormSlot> norms_of(const ModelConfig& c) {
  using B = BlockWeights;
  const int64_t d = c.hidden_size;
  std::vector<NormSlot> norms;
  // Where norms stand before only, the one before the MLP has the name that it has elsewhere after attention.
  const bool before = c.norm_placement != NormPlacement::kAfter,
             after = c.norm_placement != NormPlacement::kBefore;
  if (before) norms.push_back({&B::norm_before_attention, "input_layernorm", d});
  if (after) norms.push_back({&B::norm_after_attention, "post_attention_layernorm", d});
  if (before)
    norms.push_back(
        {&B::norm_before_mlp, after ? "pre_feedforward_layernorm" : "post_attention_layernorm", d});
  if (after) norms.push_back({&B::norm_after_mlp, "post_feedforward_layernorm", d});
  if (c.qk_norm != QkNorm::kNone) {
    const bool head = c.qk_norm == QkNorm::kHead;
    norms.push_back({&B::q_norm, "self_attn.q_norm", head ? c.head_dim : c.num_attention_heads * c.head_dim});
    norms.push_back({&B::k_norm, "self_attn.k_norm", head ? c.head_dim : c.num_key_value_heads * c.head_dim});
  }
  return norms;
}

namespace {

ModelWeights load_layers(Loader& loader, const Checkpoint& checkpoint, const ModelConfig& config,
                         int64_t layers, bool in_file) {
  ModelWeights weights;
  weights.embedding = loader.load_embedding(kEmbedding, in_file);
  weights.norm = loader.load_norm(kNorm, config.hidden_size);
  weights.head = config.tie_word_embeddings ? weights.embedding : loader.load_embedding(kHead, in_file);
  for (int64_t layer = 0; layer < layers; ++layer) {
    const std::string prefix = layer_prefix(layer);
    BlockWeights& block = weights.blocks.emplace_back();
    for (const NormSlot& norm : norms_of(config))
      block.*norm.member = loader.load_norm(prefix + std::string(norm.path) + ".weight", norm.width);
    for (const Module module : config.modules) {
      const std::string name = prefix + std::string(module_path(module));
      LinearWeights& linear = block.module(module);
      linear.weight = loader.load_module_weight(name + ".weight", module);
      if (module_has_bias(config, module)) linear.bias = loader.load_module_bias(name + ".bias", module);
    }
  }
  weights.files = checkpoint.mappings();
  weights.quantized_on_load = loader.has_quantized();
  return weights;
}

}  // namespace

ModelWeights load_weights(const Checkpoint& checkpoint, const ModelConfig& config, at::ScalarType dtype,
                          BaseStorage storage, const c10::Device& device) {
  Loader loader(checkpoint, config, dtype, storage, device);
  ModelWeights weights = load_layers(loader, checkpoint, config, config.num_hidden_layers, /*in_file=*/false);
  loader.refuse_leftovers();
  checkpoint.release_pages();
  return weights;
}

ModelWeights load_first_layers(const Checkpoint& checkpoint, const ModelConfig& config, int64_t layers,
                               BaseStorage storage) {
  Loader loader(checkpoint, config, at::kFloat, storage);
  return load_layers(loader, checkpoint, config, layers, /*in_file=*/true);
}

BaseBytes base_bytes(const Checkpoint& checkpoint, const ModelConfig& config, at::ScalarType dtype,
                     BaseStorage storage) {
  Loader loader(checkpoint, config, dtype, storage);
  BaseBytes bytes;
  loader.count_embedding(kEmbedding, bytes);
  loader.count_vector(kNorm, config.hidden_size, bytes);
  if (!config.tie_word_embeddings) loader.count_embedding(kHead, bytes);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string prefix = layer_prefix(layer);
    for (const NormSlot& norm : norms_of(config))
      loader.count_vector(prefix + std::string(norm.path) + ".weight", norm.width, bytes);
    for (const Module module : config.modules) {
      const std::string name = prefix + std::string(module_path(module));
      loader.count_module_weight(name + ".weight", module, bytes);
      if (module_has_bias(config, module))
        loader.count_vector(name + ".bias", module_shape(config, module).first, bytes);
    }
  }
  loader.refuse_leftovers();
  return bytes;
}

ModelWeights ModelWeights::on(const c10::Device& device) const {
  const auto vector = [&](const at::Tensor& t) { return t.defined() ? t.to(device) : t; };
  ModelWeights moved;
  moved.embedding = embedding.on(device);
  moved.norm = vector(norm);
  moved.head = head.is(embedding) ? moved.embedding : head.on(device);
  moved.quantized_on_load = quantized_on_load;
  for (const BlockWeights& b : blocks) {
    BlockWeights& block = moved.blocks.emplace_back();
    for (const auto norm : {&BlockWeights::norm_before_attention, &BlockWeights::norm_after_attention,
                            &BlockWeights::norm_before_mlp, &BlockWeights::norm_after_mlp,
                            &BlockWeights::q_norm, &BlockWeights::k_norm})
      block.*norm = vector(b.*norm);
    for (size_t m = 0; m < b.modules.size(); ++m)
      if (b.modules[m].weight.defined())
        block.modules[m] = {b.modules[m].weight.on(device), vector(b.modules[m].bias)};
  }
  return moved;
}

MatmulPrecision BaseBytes::training_precision() const {
  return quantized ? MatmulPrecision::kHigh : MatmulPrecision::kHighest;
}

MatmulPrecision ModelWeights::training_precision() const {
  BaseBytes base;
  base.quantized = std::ranges::any_of(blocks, [](const BlockWeights& block) {
    return std::ranges::any_of(block.modules, [](const LinearWeights& m) { return m.weight.is_quantized(); });
  });
  return base.training_precision();
}

void ModelWeights::set_precision(MatmulPrecision precision) {
  embedding.set_precision(precision);
  head.set_precision(precision);
  for (BlockWeights& block : blocks)
    for (LinearWeights& linear : block.modules) linear.weight.set_precision(precision);
}

size_t ModelWeights::bytes() const {
  const auto of = [](const at::Tensor& t) { return t.defined() ? t.nbytes() : 0; };
  size_t total = embedding.bytes() + norm.nbytes() + (head.is(embedding) ? 0 : head.bytes());
  for (const BlockWeights& b : blocks) {
    total += of(b.norm_before_attention) + of(b.norm_after_attention) + of(b.norm_before_mlp) +
             of(b.norm_after_mlp) + of(b.q_norm) + of(b.k_norm);
    for (const LinearWeights& linear : b.modules)
      total += (linear.weight.defined() ? linear.weight.bytes() : 0) + of(linear.bias);
  }
  return total;
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
    for (const NormSlot& norm : norms_of(config)) block.*norm.member = draw({norm.width}, 1, 0.1);
    for (const Module module : config.modules) {
      const auto [out, in] = module_shape(config, module);
      block.module(module).weight = draw({out, in}, 0, 1.0 / std::sqrt(static_cast<double>(in)));
      if (module_has_bias(config, module)) block.module(module).bias = draw({out}, 0, 0.1);
    }
  }
  return weights;
}

}  // namespace lora
