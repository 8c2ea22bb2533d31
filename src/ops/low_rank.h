// The thin products of an adapter with some rows: u = x A^T, its gradient, and what the rows add to the gradients of A and B. Of floats or
// doubles, or, with MatmulPrecision::kMedium on a processor that multiplies tiles, of pairs of bfloat16 (small_pairs.h), as torch.autocast
// has them. (Without tiles, rounding costs what pairs would save.) One thread. u B^T and du A, which are summed up with a weight's
// products, are in lora_product.cpp. Inside ops/ only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "base/matmul_precision.h"
#include "ops/cpu/small_pairs.h"
#include "ops/lora_linear.h"

namespace lora::ops {

// Whether these products are of pairs.
template <class T>
bool low_rank_in_pairs(MatmulPrecision precision);

// Rows that are worth reading at a time: as pairs they stay in a second-level cache until the last adapter has read them.
constexpr int64_t kThinRows = 64;
// Numbers (float) of room that a thread takes for kThinRows rows of an adapter of (in, out); and that a factor of so many rows takes.
int64_t low_rank_room(int64_t in, int64_t out, MatmulPrecision precision);
int64_t low_rank_factor(int64_t rows, int64_t r, MatmulPrecision precision);

// The transpose of x, contiguous.
template <class T>
at::Tensor turned(const at::Tensor& x);

// Rows (rows, columns) of x, or of a gradient, that several products read: as pairs they are made once, in room that is used again.
template <class T>
class ThinRows {
 public:
  // What is read from now on; data, rows `stride` apart, stays there meanwhile.
  void read(const T* data, int64_t stride, int64_t rows, int64_t columns);

  const T* data() const { return data_; }
  int64_t stride() const { return stride_; }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  // Two numbers of a row a pair: (rows, ceil(columns / 2)). Of floats, as the other.
  const cpu::pairs::Pair* along();
  // Two rows a pair: (ceil(rows / 2), columns). Rows of both are as far apart as whole vectors are.
  const cpu::pairs::Pair* across();

 private:
  const T* data_ = nullptr;
  int64_t stride_ = 0, rows_ = 0, columns_ = 0;
  bool has_along_ = false, has_across_ = false;
  at::Tensor along_, across_;
};

// An adapter as the products of one pass read it, laid out once for all rows: A in the forward pass, B in the backward one.
template <class T>
class LowRank {
 public:
  enum class Pass { kForward, kBackward };
  LowRank(const LoraTerm& term, MatmulPrecision precision, Pass pass);

  // u (rows, r) = x A^T.
  void forward(ThinRows<T>& x, T* u) const;
  // du (rows, r) = scale * dy B, written; gradients dA (r, in) = or += du^T x, and dB (r, out), turned and unscaled, u^T dy.
  void backward(ThinRows<T>& x, ThinRows<T>& dy, const T* u, bool accumulate, T* du, T* dA, T* dB) const;

 private:
  // to (rows, r) = x times the factor on the right.
  void product(ThinRows<T>& x, T* to) const;
  // sums (r, columns of right) = or += left^T right; left: (rows, r).
  void sum_over_rows(const T* left, ThinRows<T>& right, bool accumulate, T* sums) const;

  Pass pass_;
  int64_t r_;
  T scale_;
  bool pairs_;
  at::Tensor right_;  // A^T (in, r) or B (out, r); of pairs: (half of in or out, r), rows of whole vectors
};

}  // namespace lora::ops
