#include "ops/low_rank.h"

#include <ATen/ATen.h>

#include <cassert>
#include <type_traits>
#include <vector>

#include "ops/cpu/small_product.h"
#include "ops/cpu/tiles.h"

namespace lora::ops {
namespace {

using cpu::LeftFactor;
using cpu::pairs::Pair;
using cpu::pairs::whole_vectors;

int64_t half(int64_t numbers) {
  return (numbers + 1) / 2;
}

// So many pairs of a room, which only grows.
Pair* pairs_of(at::Tensor& room, int64_t pairs) {
  if (!room.defined() || room.numel() < pairs) room = at::empty({pairs}, at::kInt);
  return static_cast<Pair*>(room.data_ptr());
}

at::Tensor room_for_pairs(int64_t rows, int64_t columns) {
  return at::empty({rows, whole_vectors(columns)}, at::kInt);
}

Pair* pairs_of(const at::Tensor& room) {
  return static_cast<Pair*>(room.data_ptr());
}

// Two rows of x (rows, columns) a pair, rows of pairs `stride` apart.
void join(const float* x, int64_t x_stride, int64_t rows, int64_t columns, int64_t stride, Pair* to) {
  for (int64_t i = 0; i < rows; i += 2)
    cpu::pairs::round_rows(x + i * x_stride, i + 1 < rows ? x + (i + 1) * x_stride : nullptr, columns,
                           to + i / 2 * stride);
}

// The right factor of x A^T, of pairs along the rows of A.
at::Tensor turned_pairs(const at::Tensor& A) {
  const int64_t r = A.size(0), in = A.size(1);
  const at::Tensor rounded = room_for_pairs(r, half(in)), turned = room_for_pairs(half(in), r);
  const int64_t stride = rounded.stride(0);
  for (int64_t i = 0; i < r; ++i)
    cpu::pairs::round_row(A.const_data_ptr<float>() + i * in, in, pairs_of(rounded) + i * stride);
  cpu::turn(pairs_of(rounded), stride, r, half(in), pairs_of(turned), turned.stride(0));
  return turned;
}

at::Tensor joined_pairs(const at::Tensor& B) {
  const at::Tensor joined = room_for_pairs(half(B.size(0)), B.size(1));
  join(B.const_data_ptr<float>(), B.size(1), B.size(0), B.size(1), joined.stride(0), pairs_of(joined));
  return joined;
}

}  // namespace

template <class T>
at::Tensor turned(const at::Tensor& x) {
  const at::Tensor result = at::empty({x.size(1), x.size(0)}, x.options());
  cpu::turn(x.const_data_ptr<T>(), x.size(1), x.size(0), x.size(1), result.data_ptr<T>(), x.size(0));
  return result;
}

template <class T>
bool low_rank_in_pairs(MatmulPrecision precision) {
  return std::is_same_v<T, float> && precision == MatmulPrecision::kMedium && cpu::tiles::available();
}

int64_t low_rank_room(int64_t in, int64_t out, MatmulPrecision precision) {
  if (!low_rank_in_pairs<float>(precision)) return 0;
  // In the backward pass: x across its rows, dy along and across.
  return half(kThinRows) * (whole_vectors(in) + whole_vectors(out)) + kThinRows * whole_vectors(half(out));
}

int64_t low_rank_factor(int64_t rows, int64_t r, MatmulPrecision precision) {
  return low_rank_in_pairs<float>(precision) ? half(rows) * whole_vectors(r) : 0;
}

template <class T>
void ThinRows<T>::read(const T* data, int64_t stride, int64_t rows, int64_t columns) {
  data_ = data;
  stride_ = stride;
  rows_ = rows;
  columns_ = columns;
  has_along_ = has_across_ = false;
}

template <class T>
const Pair* ThinRows<T>::along() {
  assert((std::is_same_v<T, float>));
  const int64_t stride = whole_vectors(half(columns_));
  Pair* to = pairs_of(along_, rows_ * stride);
  if constexpr (std::is_same_v<T, float>)
    if (!has_along_)
      for (int64_t i = 0; i < rows_; ++i)
        cpu::pairs::round_row(data_ + i * stride_, columns_, to + i * stride);
  has_along_ = true;
  return to;
}

template <class T>
const Pair* ThinRows<T>::across() {
  assert((std::is_same_v<T, float>));
  const int64_t stride = whole_vectors(columns_);
  Pair* to = pairs_of(across_, half(rows_) * stride);
  if constexpr (std::is_same_v<T, float>)
    if (!has_across_) join(data_, stride_, rows_, columns_, stride, to);
  has_across_ = true;
  return to;
}

template <class T>
LowRank<T>::LowRank(const LoraTerm& term, MatmulPrecision precision, Pass pass)
    : pass_(pass),
      r_(term.A.size(0)),
      scale_(static_cast<T>(term.scale)),
      pairs_(low_rank_in_pairs<T>(precision)) {
  if (pass == Pass::kForward)
    right_ = pairs_ ? turned_pairs(term.A) : turned<T>(term.A);
  else
    right_ = pairs_ ? joined_pairs(term.B) : term.B;
}

template <class T>
void LowRank<T>::product(ThinRows<T>& x, T* to) const {
  if constexpr (std::is_same_v<T, float>)
    if (pairs_)
      return cpu::small_product(x.rows(), r_, half(x.columns()),
                                LeftFactor<Pair>{x.along(), whole_vectors(half(x.columns())), 1},
                                pairs_of(right_), right_.stride(0), false, to, r_);
  cpu::small_product(x.rows(), r_, x.columns(), LeftFactor<T>{x.data(), x.stride(), 1},
                     right_.const_data_ptr<T>(), r_, false, to, r_);
}

template <class T>
void LowRank<T>::sum_over_rows(const T* left, ThinRows<T>& right, bool accumulate, T* sums) const {
  const int64_t columns = right.columns();
  if constexpr (std::is_same_v<T, float>)
    if (pairs_) {
      std::vector<Pair> joined(static_cast<size_t>(half(right.rows()) * r_));
      join(left, r_, right.rows(), r_, r_, joined.data());
      return cpu::small_product(r_, columns, half(right.rows()), LeftFactor<Pair>{joined.data(), 1, r_},
                                right.across(), whole_vectors(columns), accumulate, sums, columns);
    }
  cpu::small_product(r_, columns, right.rows(), LeftFactor<T>{left, 1, r_}, right.data(), right.stride(),
                     accumulate, sums, columns);
}

template <class T>
void LowRank<T>::forward(ThinRows<T>& x, T* u) const {
  assert(pass_ == Pass::kForward);
  product(x, u);
}

template <class T>
void LowRank<T>::backward(ThinRows<T>& x, ThinRows<T>& dy, const T* u, bool accumulate, T* du, T* dA,
                          T* dB) const {
  assert(pass_ == Pass::kBackward);
  product(dy, du);
  for (int64_t i = 0; i < x.rows() * r_; ++i) du[i] *= scale_;
  sum_over_rows(u, dy, accumulate, dB);
  sum_over_rows(du, x, accumulate, dA);
}

template at::Tensor turned<float>(const at::Tensor&);
template at::Tensor turned<double>(const at::Tensor&);
template bool low_rank_in_pairs<float>(MatmulPrecision);
template bool low_rank_in_pairs<double>(MatmulPrecision);
template class ThinRows<float>;
template class ThinRows<double>;
template class LowRank<float>;
template class LowRank<double>;

}  // namespace lora::ops
