#include "ops/frozen_linear.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <span>

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

// out (+)= x W^T. Each thread lays out panels of its own, once, and multiplies all rows of x with them.
template <class T>
void many_rows(const Tensor& x, const FrozenMatrix& W, bool accumulate, const Tensor& out) {
  const int64_t in = W.cols(), columns = cpu::panel_columns<T>(), step = cpu::panel_step<T>();
  at::parallel_for(0, (W.rows() + columns - 1) / columns, 1, [&](int64_t first, int64_t last) {
    const Tensor buffer = at::empty({cpu::panel_numbers<T>(in, columns)}, x.options());
    std::vector<T> room;
    for (; first < last; ++first) {
      const WeightPart<T> part{0, first * columns, std::min((first + 1) * columns, W.rows()), 0,
                               buffer.data_ptr<T>()};
      {
        const ProfilePart profile("unpack");
        for (int64_t begin = part.begin; begin < part.end; begin += step)
          lay_out(W, part, PanelsOf::kRows, begin, std::min(begin + step, part.end), room);
      }
      const cpu::PanelFactor<T> factor{x.const_data_ptr<T>(), x.stride(0), in, part.panels};
      cpu::panel_product(std::span(&factor, 1), x.size(0), part.end - part.begin, accumulate,
                         out.data_ptr<T>() + part.begin, out.stride(0));
    }
  });
}

// out (+)= dy W.
template <class T>
void many_rows_transposed(const Tensor& dy, const FrozenMatrix& W, bool accumulate, const Tensor& out) {
  const int64_t in = W.cols(), columns = cpu::panel_columns<T>(), panels = (in + columns - 1) / columns;
  const int64_t blocks = (dy.size(0) + kBlockRows - 1) / kBlockRows;
  for_weight_panels<T>({&W}, PanelsOf::kColumns, [&](const WeightPanels<T>& chunk) {
    for (const WeightPart<T>& part : chunk.parts) {
      const int64_t k = part.end - part.begin;
      at::parallel_for(0, panels * blocks, 1, [&](int64_t first, int64_t last) {
        for (; first < last; ++first) {
          const int64_t column = first / blocks * columns, block = first % blocks;
          const int64_t begin = dy.size(0) * block / blocks, end = dy.size(0) * (block + 1) / blocks;
          const cpu::PanelFactor<T> factor{dy.const_data_ptr<T>() + begin * dy.stride(0) + part.begin,
                                           dy.stride(0), k, part.panels + column * k};
          cpu::panel_product(std::span(&factor, 1), end - begin, std::min(columns, in - column),
                             accumulate || part.begin > 0, out.data_ptr<T>() + begin * out.stride(0) + column,
                             out.stride(0));
        }
      });
    }
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
        : many_rows<scalar_t>(along_rows(x), W, add.defined(), y);
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
  AT_DISPATCH_FLOATING_TYPES(dy.scalar_type(), "frozen_linear_transposed",
                             [&] { many_rows_transposed<scalar_t>(along_rows(dy), W, accumulate, out); });
}

Tensor dense_for(const Tensor& x, const FrozenMatrix& W) {
  return W.to_dense(x.scalar_type()).to(x.device());
}

}  // namespace lora::ops
