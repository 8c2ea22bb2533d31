// The weight (out, in) of one frozen layer, kept as its file has it: a dense tensor, plain numbers or blocks of a mapped
// file, or bitsandbytes' 4 bits. Whoever multiplies with it (ops/frozen_linear.h) unpacks some rows at a time. A value:
// copies share what they hold. No arithmetic here but unpacking.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/mapped_file.h"
#include "base/matmul_precision.h"
#include "base/spill_file.h"
#include "files/tensor_info.h"
#include "weights/nf4.h"

namespace lora {

class FrozenMatrix {
 public:
  FrozenMatrix() = default;  // undefined
  // A dense matrix of any floating type. Not explicit: a tensor is a frozen matrix.
  FrozenMatrix(at::Tensor dense);  // NOLINT(google-explicit-constructor)
  // The elements of a file as they lie there: `info.bytes` must stay valid (Checkpoint::mappings).
  // `rope_heads` > 0: the rows are those of so many heads in GGUF's order for interleaved RoPE (load.h); this matrix has
  // them in Hugging Face's. `passing`: the file itself, of which rows are then read at each use and kept nowhere in this process; its
  // system does while it has room. Errors: kInput when it is no matrix, of a type that dequantize.h has not, or when rows do
  // not split into such heads.
  static FrozenMatrix of_file(const TensorInfo& info, int64_t rope_heads = 0,
                              std::shared_ptr<const MappedFile> passing = {});
  // `passing`: where its codes are put, to be read again at each use; scales stay in memory. Errors: kInput when it is no matrix; those
  // of SpillFile::append.
  static FrozenMatrix of_four_bit(FourBitWeight weight, const std::shared_ptr<SpillFile>& passing = {});

  bool defined() const { return dense_.defined() || packed_; }
  bool is_packed() const { return packed_ != nullptr; }
  // The matrix itself. Precondition: defined() and not is_packed().
  const at::Tensor& dense() const { return dense_; }

  // Whether both are one and the same (a tied head).
  bool is(const FrozenMatrix& other) const {
    return packed_ ? packed_ == other.packed_ : dense_.is_same(other.dense_);
  }

  // How exactly it is multiplied with.
  MatmulPrecision precision() const { return precision_; }
  void set_precision(MatmulPrecision precision) { precision_ = precision; }
  // Whether its numbers are codes of few bits, not floating-point.
  bool is_quantized() const;

  int64_t rows() const;
  int64_t cols() const;
  size_t bytes() const;      // that it takes, in memory or of a file
  std::string type() const;  // "F32", "BF16", "Q4_1", "nf4"

  // Rows begin … end, (end - begin) * cols() numbers: those that load_tensor and dequantize_4bit give. One thread, any
  // number of them at once; the double ones are the same numbers. Preconditions: is_packed(), 0 <= begin <= end <= rows(). Errors: of a
  // passing matrix, those of MappedFile::read and SpillFile::read.
  void unpack(int64_t begin, int64_t end, float* out) const;
  void unpack(int64_t begin, int64_t end, double* out) const;

  // The rows named by `ids` (n) int64, and the whole matrix: as `dtype`, on the CPU (a dense one: on its own device).
  // `ids` lie on the CPU.
  at::Tensor gather(const at::Tensor& ids, at::ScalarType dtype) const;
  at::Tensor to_dense(at::ScalarType dtype) const;

  // The same numbers, dense, on `device`: in bfloat16 or half precision where all of them are such, in float else.
  FrozenMatrix on(const c10::Device& device) const;

 private:
  struct Packed;
  at::Tensor dense_;
  MatmulPrecision precision_ = MatmulPrecision::kHighest;
  std::shared_ptr<const Packed> packed_;
};

}  // namespace lora
