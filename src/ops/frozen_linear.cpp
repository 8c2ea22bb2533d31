#include "ops/frozen_linear.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/profile.h"
#include "ops/cpu/few_rows.h"
#include "ops/weight_chunks.h"

namespace lora::ops {
namespace {

using at::Tensor;

// Numbers of a tile that one thread takes to itself, where there are few rows to multiply with: a first-level cache in float.
constexpr int64_t kSmallTileNumbers = int64_t{1} << 13;

// body(first row, end, the rows (end - first, in) unpacked) over parts of W.
template <class Body>
void for_parts(const FrozenMatrix& W, at::ScalarType dtype, const Body& body) {
  AT_DISPATCH_FLOATING_TYPES(dtype, "for_parts", [&] {
    for_weight_chunks<scalar_t>({&W}, [&](const WeightChunk<scalar_t>& chunk) {
      for (const WeightRows<scalar_t>& part : chunk.parts)
        body(part.begin, part.end,
             at::from_blob(const_cast<scalar_t*>(part.data), {part.end - part.begin, W.cols()},
                           at::TensorOptions().dtype(dtype)));
    });
  });
}

template <class T>
void few_rows(const Tensor& x, const FrozenMatrix& W, bool accumulate, const Tensor& out) {
  const int64_t m = x.size(0), in = W.cols(), stride = cpu::few_rows_stride<T>(m);
  // Whole blocks of the kernel.
  const int64_t step = std::max<int64_t>(8, kSmallTileNumbers / std::max<int64_t>(in, 1) / 8 * 8);
  const int64_t tiles = (W.rows() + step - 1) / step;
  const Tensor turned = at::empty({in, stride}, x.options());
  cpu::turn_rows(x.const_data_ptr<T>(), m, in, turned.data_ptr<T>());
  const cpu::FewRows<T> rows{x.const_data_ptr<T>(), turned.const_data_ptr<T>(), m, in, stride};
  T* to = out.data_ptr<T>();
  at::parallel_for(0, tiles, 1, [&](int64_t first, int64_t last) {
    const Tensor buffer = at::empty({step, in}, turned.options());
    T* tile = buffer.data_ptr<T>();
    for (; first < last; ++first) {
      const int64_t begin = first * step, end = std::min(begin + step, W.rows());
      W.unpack(begin, end, tile);
      cpu::few_rows_product(rows, tile, end - begin, accumulate, to + begin, out.stride(0));
    }
  });
}

}  // namespace

void frozen_linear_out(const Tensor& x, const FrozenMatrix& W, const Tensor& add, const Tensor& out) {
  const ProfilePart part("gemm");
  Tensor y = out;
  if (!W.is_packed()) {
    add.defined() ? at::addmm_out(y, add, x, W.dense().t()) : at::mm_out(y, x, W.dense().t());
    return;
  }
  if (x.size(0) <= kFewRows) {
    if (add.defined()) y.copy_(add.expand_as(y));
    if (x.size(0) > 0)
      AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "few_rows",
                                 [&] { few_rows<scalar_t>(x.contiguous(), W, add.defined(), y); });
    return;
  }
  for_parts(W, x.scalar_type(), [&](int64_t begin, int64_t end, const Tensor& rows) {
    Tensor part = y.slice(1, begin, end);
    if (add.defined())
      at::addmm_out(part, add.slice(add.dim() - 1, begin, end), x, rows.t());
    else
      at::mm_out(part, x, rows.t());
  });
}

Tensor frozen_linear(const Tensor& x, const FrozenMatrix& W, const Tensor& add) {
  const ProfilePart part("gemm");
  if (!W.is_packed()) return add.defined() ? at::addmm(add, x, W.dense().t()) : at::mm(x, W.dense().t());
  const Tensor y = at::empty({x.size(0), W.rows()}, x.options());
  frozen_linear_out(x, W, add, y);
  return y;
}

void frozen_linear_transposed_out(const Tensor& dy, const FrozenMatrix& W, bool accumulate,
                                  const Tensor& out) {
  const ProfilePart part("gemm");
  Tensor dx = out;
  if (!W.is_packed()) {
    accumulate ? dx.addmm_(dy, W.dense()) : at::mm_out(dx, dy, W.dense());
    return;
  }
  for_parts(W, dy.scalar_type(), [&](int64_t begin, int64_t end, const Tensor& rows) {
    const Tensor part = dy.slice(1, begin, end);
    begin > 0 || accumulate ? dx.addmm_(part, rows) : at::mm_out(dx, part, rows);
  });
}

Tensor dense_for(const Tensor& x, const FrozenMatrix& W) {
  return W.to_dense(x.scalar_type()).to(x.device());
}

}  // namespace lora::ops
