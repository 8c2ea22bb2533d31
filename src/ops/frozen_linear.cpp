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

// Columns begin … begin + k - 1 of x as left factors, so many rows at a time as stay in a cache. All threads lay them out.
template <class T>
class LeftBlocks {
 public:
  LeftBlocks(const Tensor& x, int64_t begin, int64_t k)
      : m_(x.size(0)),
        numbers_(cpu::left_numbers<T>(kBlockRows, k)),
        room_(at::empty({left_rows_numbers<T>(m_, k)}, x.options())),
        factors_(static_cast<size_t>(blocks())) {
    at::parallel_for(0, blocks(), 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        factors_[static_cast<size_t>(i)] =
            cpu::left_factor(x.const_data_ptr<T>() + i * kBlockRows * x.stride(0) + begin, x.stride(0),
                             rows(i), k, room_.data_ptr<T>() + i * numbers_, static_cast<const T*>(nullptr));
    });
  }

  int64_t blocks() const { return (m_ + kBlockRows - 1) / kBlockRows; }

  // The rows of c that belong to a block (+)= its rows times panels. c: (rows of x, n), c_stride apart.
  void multiply(int64_t block, const T* panels, int64_t n, bool accumulate, T* c, int64_t c_stride) const {
    cpu::PanelFactor<T> factor = factors_[static_cast<size_t>(block)];
    factor.panels = panels;
    cpu::panel_product(std::span<const cpu::PanelFactor<T>>(&factor, 1), rows(block), n, accumulate,
                       c + block * kBlockRows * c_stride, c_stride);
  }

 private:
  int64_t rows(int64_t block) const { return std::min(kBlockRows, m_ - block * kBlockRows); }

  int64_t m_, numbers_;
  Tensor room_;
  std::vector<cpu::PanelFactor<T>> factors_;
};

// out (+)= x W^T. Each thread lays out panels of its own, once, and multiplies all rows of x with them.
template <class T>
void many_rows(const Tensor& x, const FrozenMatrix& W, bool accumulate, const Tensor& out) {
  const int64_t in = W.cols(), columns = cpu::panel_columns<T>(), step = cpu::panel_step<T>();
  const LeftBlocks<T> left(x, 0, in);
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
      for (int64_t block = 0; block < left.blocks(); ++block)
        left.multiply(block, part.panels, part.end - part.begin, accumulate, out.data_ptr<T>() + part.begin,
                      out.stride(0));
    }
  });
}

// out (+)= dy W.
template <class T>
void many_rows_transposed(const Tensor& dy, const FrozenMatrix& W, bool accumulate, const Tensor& out) {
  const int64_t in = W.cols(), columns = cpu::panel_columns<T>(), panels = (in + columns - 1) / columns;
  for_weight_panels<T>({&W}, PanelsOf::kColumns, [&](const WeightPanels<T>& chunk) {
    for (const WeightPart<T>& part : chunk.parts) {
      const int64_t k = part.end - part.begin;
      const LeftBlocks<T> left(dy, part.begin, k);
      at::parallel_for(0, panels * left.blocks(), 1, [&](int64_t first, int64_t last) {
        for (; first < last; ++first) {
          const int64_t column = first / left.blocks() * columns;
          left.multiply(first % left.blocks(), cpu::panel_at<T>(part.panels, k, column),
                        std::min(columns, in - column), accumulate || part.begin > 0,
                        out.data_ptr<T>() + column, out.stride(0));
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
