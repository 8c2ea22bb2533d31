#include "ops/frozen_linear.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <span>
#include <vector>

#include "base/profile.h"
#include "ops/cpu/few_rows.h"
#include "ops/row_blocks.h"
#include "ops/weight_panels.h"

namespace lora::ops {
namespace {

using at::Tensor;

// Numbers of a tile that one thread takes to itself, where there are few rows to multiply with: a first-level cache in float.
constexpr int64_t kSmallTileNumbers = int64_t{1} << 13;

// x, with the numbers of a row side by side.
Tensor along_rows(const Tensor& x) {
  return x.stride(1) == 1 ? x : x.contiguous();
}

// A share of the columns of a product's result, whole panels: begin … end - 1.
struct Columns {
  int64_t begin, end;

  template <class T>
  static Columns of(const RowBlock& block, int64_t columns, MatmulPrecision precision) {
    const int64_t width = cpu::panel_columns<T>(precision), panels = (columns + width - 1) / width;
    return {std::min(columns, panels * block.share / block.shares * width),
            std::min(columns, panels * (block.share + 1) / block.shares * width)};
  }
};

// out (+)= x W^T, or x W. Threads take rows of their own, and, where there are few, columns too: a head reads few rows, and is the
// widest of all matrices.
template <class T>
void many_rows(const Tensor& x, const FrozenMatrix& W, PanelsOf columns, bool accumulate, const Tensor& out) {
  const int64_t shares = row_shares(x.size(0));
  const Tensor rooms = product_rooms<T>(x, W.precision(), shares);
  for_weight_panels<T>({&W}, columns, [&](const WeightPanels<T>& chunk) {
    const auto multiply = [&](const RowBlock& block) {
      const T* a = x.const_data_ptr<T>() + block.begin * x.stride(0);
      T *to = out.data_ptr<T>() + block.begin * out.stride(0), *room = room_of<T>(rooms, block);
      for (const WeightPart<T>& part : chunk.parts) {
        const int64_t rows = part.end - part.begin;
        const bool forward = columns == PanelsOf::kRows;
        const int64_t k = forward ? W.cols() : rows;
        const auto [begin, end] = Columns::of<T>(block, forward ? rows : W.cols(), chunk.precision);
        if (begin == end) continue;
        const cpu::PanelFactor<T> factor{forward ? a : a + part.begin, x.stride(0), k,
                                         cpu::panel_at(part.panels, k, begin, chunk.precision)};
        cpu::panel_product(std::span<const cpu::PanelFactor<T>>(&factor, 1), block.rows(), end - begin,
                           accumulate || (!forward && part.begin > 0),
                           to + (forward ? part.begin : 0) + begin, out.stride(0), chunk.precision, room);
      }
    };
    for_row_blocks(x.size(0), multiply, shares);
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
  const bool few = x.size(0) <= kFewRows;
  if (few && !W.is_packed()) {
    add.defined() ? at::addmm_out(y, add, x, W.dense().t()) : at::mm_out(y, x, W.dense().t());
    return;
  }
  if (add.defined()) y.copy_(add.expand_as(y));
  if (x.size(0) == 0) return;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "frozen_linear", [&] {
    few ? few_rows<scalar_t>(x.contiguous(), W, add.defined(), y)
        : many_rows<scalar_t>(along_rows(x), W, PanelsOf::kRows, add.defined(), y);
  });
}

Tensor frozen_linear(const Tensor& x, const FrozenMatrix& W, const Tensor& add) {
  const Tensor y = at::empty({x.size(0), W.rows()}, x.options());
  frozen_linear_out(x, W, add, y);
  return y;
}

void frozen_linear_transposed_out(const Tensor& dy, const FrozenMatrix& W, bool accumulate,
                                  const Tensor& out) {
  const ProfilePart part("gemm");
  AT_DISPATCH_FLOATING_TYPES(dy.scalar_type(), "frozen_linear_transposed", [&] {
    many_rows<scalar_t>(along_rows(dy), W, PanelsOf::kColumns, accumulate, out);
  });
}

Tensor dense_for(const Tensor& x, const FrozenMatrix& W) {
  return W.to_dense(x.scalar_type()).to(x.device());
}

}  // namespace lora::ops
