// What an operation keeps of a matrix for its backward pass: the matrix itself, or, where products have 8 bits
// (MatmulPrecision::kMedium), each float's nearest bfloat16, in half the room; as torch.autocast keeps activations. Outside of autograd.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "base/matmul_precision.h"

namespace lora::ops {

class KeptRows {
 public:
  KeptRows() = default;
  // Of x (T, d), contiguous, all rows: by all threads.
  KeptRows(const at::Tensor& x, MatmulPrecision precision);
  // The same, whose rows keep() fills, each once, as they are made or read.
  static KeptRows room_for(const at::Tensor& x, MatmulPrecision precision);

  bool defined() const { return rows_.defined(); }
  // Whether it is another matrix than x, with other numbers.
  bool rounds() const { return rows_.scalar_type() != type_; }
  // Rows begin … end - 1 of x, on the calling thread.
  void keep(const at::Tensor& x, int64_t begin, int64_t end) const;
  void restore(int64_t begin, int64_t end, const at::Tensor& x) const;
  // (T, d), as they are kept.
  const at::Tensor& rows() const { return rows_; }
  // (T, d), in x's type, by all threads: the very numbers that are kept, or a copy of them.
  at::Tensor restored() const;
  // (T, d), in x's type, whose rows restore() fills: what is kept itself, or room.
  at::Tensor room() const;

 private:
  uint16_t* bits() const;  // of bfloat16

  at::Tensor rows_;  // (T, d)
  at::ScalarType type_ = at::kFloat;
};

// Bytes that a number of x takes.
int64_t kept_bytes(MatmulPrecision precision);

}  // namespace lora::ops
