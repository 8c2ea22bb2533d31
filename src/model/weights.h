// The frozen weights of a decoder, in Hugging Face's names and row order, whatever container they came from.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <vector>

#include "files/checkpoint.h"
#include "model/config.h"
#include "model/modules.h"
#include "weights/frozen_matrix.h"

namespace lora {

struct LinearWeights {
  FrozenMatrix weight;  // (out, in)
  at::Tensor bias;      // (out), or undefined
};

// Norms that a family does not have are undefined. Where Hugging Face adds 1 to what it stores, these have it added.
struct BlockWeights {
  at::Tensor norm_before_attention, norm_after_attention;  // (hidden_size)
  at::Tensor norm_before_mlp, norm_after_mlp;              // (hidden_size)
  at::Tensor q_norm, k_norm;                               // (head_dim), or as wide as the projection
  std::array<LinearWeights, kNumModules> modules;          // those of ModelConfig::modules
  const LinearWeights& module(Module m) const { return modules[static_cast<size_t>(m)]; }
  LinearWeights& module(Module m) { return modules[static_cast<size_t>(m)]; }
};

// Matrices may be packed as their file has them; norms and biases are dense, of the type that is computed in.
struct ModelWeights {
  FrozenMatrix embedding;  // (vocab_size, hidden_size)
  at::Tensor norm;         // (hidden_size)
  FrozenMatrix head;       // (vocab_size, hidden_size); the embedding itself when tied
  std::vector<BlockWeights> blocks;
  std::vector<std::shared_ptr<const MappedFile>> files;  // that packed matrices point into
  bool quantized_on_load = false;  // kFourBit made 4 bits of a matrix, wherever it lies now

  at::ScalarType dtype() const { return norm.scalar_type(); }
  // How exactly products with all of the matrices are computed; kHighest when they were loaded.
  MatmulPrecision precision() const { return head.precision(); }
  void set_precision(MatmulPrecision precision);
  // What training takes unless told otherwise: kHigh where matrices of layers are quantized, which rounded their numbers a
  // thousand times as coarsely; else kHighest.
  MatmulPrecision training_precision() const;
  ModelWeights on(const c10::Device& device) const;  // all of them, matrices dense
  size_t bytes() const;                              // of all, in memory or of mapped files
};

// The norms that a block of this model has: where each stands, its name in Hugging Face below model.layers.N, its width.
struct NormSlot {
  at::Tensor BlockWeights::*member;
  std::string_view path;  // "input_layernorm"
  int64_t width;
};
std::vector<NormSlot> norms_of(const ModelConfig& config);

// How the matrices are held. The numbers are the same for all but kFourBit.
enum class BaseStorage {
  kPacked,  // as the file has them, unpacked where they are used; matrices in fp32 or fp64 are dense
  kDense,   // in the type that is computed in
  kFourBit,  // bitsandbytes' NF4 with double quantization; embedding, head and what is quantized already: as kPacked
  kPassing,         // as the file has them, fp32 too, and read from it at each use: slower, takes no memory
  kFourBitPassing,  // the numbers of kFourBit: what that makes 4 bits of in a temporary file, all else as kPassing
};
BaseStorage base_storage(bool load_in_4bit, bool passing);

// Loads every tensor that `config` asks for, to be computed with in `dtype`. kFourBit takes each matrix's memory in full
// precision for one matrix at a time. On another device than the CPU matrices are dense (FrozenMatrix::on), with the numbers
// that `storage` gives them; what is read at each use stays in the file. Strict: Errors (kInput) name a tensor that is missing, of another shape, or left
// over.
ModelWeights load_weights(const Checkpoint& checkpoint, const ModelConfig& config,
                          at::ScalarType dtype = at::kFloat, BaseStorage storage = BaseStorage::kPacked,
                          const c10::Device& device = c10::kCPU);

// The first `layers` layers alone, with embedding and head, as load_weights holds them but for matrices in fp32 of these
// two, which stay in the file: enough to measure what a layer costs without loading a model. What it leaves out it does not
// look at.
ModelWeights load_first_layers(const Checkpoint& checkpoint, const ModelConfig& config, int64_t layers,
                               BaseStorage storage = BaseStorage::kPacked);

// What load_weights would take, from the headers of the files alone.
struct BaseBytes {
  size_t mapped = 0;     // of the file, read where they lie
  size_t allocated = 0;  // in memory of their own
  // While they are loaded, on top of `allocated`: of one matrix, the pages of the file, and with kFourBit its copy in full
  // precision.
  size_t loading = 0;
  size_t spilled = 0;      // of what kFourBitPassing makes: in a temporary file
  bool quantized = false;  // matrices of layers are

  size_t total() const { return mapped + allocated; }
  MatmulPrecision training_precision() const;  // ModelWeights::training_precision
};
// Errors: those of load_weights, as far as names and shapes go.
BaseBytes base_bytes(const Checkpoint& checkpoint, const ModelConfig& config,
                     at::ScalarType dtype = at::kFloat, BaseStorage storage = BaseStorage::kPacked);

// Random weights of the right shapes, for tests and benchmarks: normal with deviation 0.02 … as Transformers draws
// them, norms near one. Equal seeds give equal weights.
ModelWeights random_weights(const ModelConfig& config, uint64_t seed, at::ScalarType dtype = at::kFloat);

}  // namespace lora
