#include "ops/lora_product.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "base/hash.h"
#include "base/profile.h"
#include "ops/cpu/panels.h"
#include "ops/cpu/row_kernels.h"
#include "ops/cpu/small_product.h"
#include "ops/frozen_linear.h"
#include "ops/low_rank.h"
#include "ops/row_blocks.h"
#include "ops/weight_panels.h"

namespace lora::ops {
namespace {

using at::Tensor;
using cpu::PanelFactor;

template <class T>
T* row(const Tensor& t, int64_t i) {
  return t.data_ptr<T>() + i * t.stride(0);
}

// y = mask * x, or y += mask * x, over rows begin … end - 1 of a pass; x and y, (end - begin, d), contiguous.
template <class T>
void drop(const T* x, const TokenKeys& keys, const LoraTerm& term, int64_t begin, int64_t end, int64_t d,
          bool accumulate, T* y) {
  const ProfilePart part("dropout");
  const auto dropout_row = cpu::row_kernels<T>().dropout_row;
  const int64_t* key = keys.data_ptr<int64_t>();
  for (int64_t t = begin; t < end; ++t, x += d, y += d)
    dropout_row(x, mix64(term.dropout_key, static_cast<uint64_t>(key[t])), term.dropout, d, accumulate, y);
}

bool drops(const SavedGroup& group) {
  return std::ranges::any_of(group,
                             [](const SavedProjection& p) { return p.has_lora() && p.lora->dropout > 0; });
}

// A thread's room for a block of what dropout leaves of h: (workers, kBlockRows, in).
Tensor dropout_room(const SavedGroup& group, const Tensor& h) {
  return drops(group) ? at::empty({row_workers(h.size(0)), kBlockRows, h.size(1)}, h.options()) : Tensor();
}

// body(rows of the block, the number of those before them), once at least: all rows, or kThinRows at a time.
template <class Body>
void for_thin_rows(const RowBlock& block, bool in_pairs, const Body& body) {
  RowBlock rows = block;
  do {
    if (in_pairs) rows.end = std::min(rows.begin + kThinRows, block.end);
    body(std::as_const(rows), rows.begin - block.begin);
    rows.begin = rows.end;
    rows.end = block.end;
    rows.first = false;
  } while (rows.begin < block.end);
}

// Gradients of A and B, summed over the rows of each strip.
struct GradientSums {
  Tensor A;  // (strips, r, in)
  Tensor B;  // (strips, r, out), unscaled; turned, as the gradient of y is read along its rows
};

// The thin products of a group's adapters, and what threads need for them.
template <class T>
class ThinProducts {
 public:
  ThinProducts(const SavedGroup& group, typename LowRank<T>::Pass pass, const Tensor& h)
      : in_pairs_(low_rank_in_pairs<T>(precision_of(group))),
        in_(h.size(1)),
        rooms_(static_cast<size_t>(row_workers(h.size(0)))),
        dropped_(dropout_room(group, h)) {
    const MatmulPrecision precision = precision_of(group);
    for (const SavedProjection& p : group)
      adapters_.push_back(p.has_lora() ? std::make_optional<LowRank<T>>(*p.lora, precision, pass)
                                       : std::nullopt);
  }

  // Fills u of a block's rows. h: these.
  void forward(const T* h, const RowBlock& block, const TokenKeys& keys, SavedGroup& group) {
    const ProfilePart part("adapter");
    Room& room = room_of(block);
    for_thin_rows(block, in_pairs_, [&](const RowBlock& rows, int64_t before) {
      room.h.read(h + before * in_, in_, rows.rows(), in_);
      for (size_t i = 0; i < group.size(); ++i)
        if (adapters_[i])
          adapters_[i]->forward(input(room, *group[i].lora, keys, rows), row<T>(group[i].u, rows.begin));
    });
  }

  // What a block adds to the gradients of A and B. du, one (rows, r) for each: the gradients of u, written.
  void backward(const T* h, const RowBlock& block, const TokenKeys& keys, const SavedGroup& group,
                const std::vector<Tensor>& dys, const std::vector<GradientSums>& sums,
                std::vector<std::vector<T>>& du) {
    const ProfilePart part("adapter");
    Room& room = room_of(block);
    for (size_t i = 0; i < group.size(); ++i)
      if (adapters_[i]) du[i].resize(static_cast<size_t>(block.rows() * group[i].u.size(1)));
    for_thin_rows(block, in_pairs_, [&](const RowBlock& rows, int64_t before) {
      room.h.read(h + before * in_, in_, rows.rows(), in_);
      for (size_t i = 0; i < group.size(); ++i) {
        if (!adapters_[i]) continue;
        const SavedProjection& p = group[i];
        room.dy.read(row<T>(dys[i], rows.begin), dys[i].stride(0), rows.rows(), dys[i].size(1));
        adapters_[i]->backward(input(room, *p.lora, keys, rows), room.dy, row<T>(p.u, rows.begin),
                               !rows.first, du[i].data() + before * p.u.size(1),
                               row<T>(sums[i].A, block.strip), row<T>(sums[i].B, block.strip));
      }
    });
  }

  // dh += du A where dropout stands between.
  void add_through_dropout(const std::vector<T>& du, const LoraTerm& term, const TokenKeys& keys,
                           const RowBlock& block, T* dh) const {
    const ProfilePart part("adapter");
    const int64_t r = term.A.size(0);
    T* dropped = row<T>(dropped_, block.thread);
    cpu::small_product(block.rows(), in_, r, {du.data(), r, 1}, term.A.template const_data_ptr<T>(), in_,
                       false, dropped, in_);
    drop(dropped, keys, term, block.begin, block.end, in_, true, dh);
  }

 private:
  struct Room {
    ThinRows<T> h, dropped, dy;
  };
  Room& room_of(const RowBlock& block) { return rooms_[static_cast<size_t>(block.thread)]; }

  // What LoRA reads of rows of h: these, or what this module's mask leaves of them.
  ThinRows<T>& input(Room& room, const LoraTerm& term, const TokenKeys& keys, const RowBlock& rows) const {
    if (term.dropout == 0) return room.h;
    T* dropped = row<T>(dropped_, rows.thread);
    drop(room.h.data(), keys, term, rows.begin, rows.end, in_, false, dropped);
    room.dropped.read(dropped, in_, rows.rows(), in_);
    return room.dropped;
  }

  bool in_pairs_;
  int64_t in_;
  std::vector<std::optional<LowRank<T>>> adapters_;
  std::vector<Room> rooms_;
  Tensor dropped_;  // dropout_room()
};

// What a block of y holds before its products: y's rows, columns part.begin … part.end. Returns whether there is anything.
template <class T>
bool begin_rows(const Tensor& bias, const Tensor& residual, const RowBlock& block, const WeightPart<T>& part,
                const Tensor& y) {
  if (!bias.defined() && !residual.defined()) return false;
  const T* added = bias.defined() ? bias.const_data_ptr<T>() : nullptr;
  for (int64_t t = block.begin; t < block.end; ++t) {
    T* to = row<T>(y, t);
    if (residual.defined())
      std::copy(row<T>(residual, t) + part.begin, row<T>(residual, t) + part.end, to + part.begin);
    else
      std::fill(to + part.begin, to + part.end, T{0});
    if (added)
      for (int64_t j = part.begin; j < part.end; ++j) to[j] += added[j];
  }
  return true;
}

// The terms that belong to some of a block's rows.
template <class T>
void add_of_rows(const T* h, int64_t in, const std::vector<LoraRows>& of_rows, const RowBlock& block,
                 const WeightPart<T>& part, const Tensor& y) {
  ThinRows<T> x;
  std::vector<T> u;
  for (const auto& [rows_begin, rows_end, term] : of_rows) {
    const int64_t begin = std::max(block.begin, rows_begin), end = std::min(block.end, rows_end);
    if (begin >= end) continue;
    const int64_t r = term.A.size(0), columns = part.end - part.begin;
    u.resize(static_cast<size_t>((end - begin) * r));
    x.read(h + (begin - block.begin) * in, in, end - begin, in);
    LowRank<T>(term, MatmulPrecision::kHighest, LowRank<T>::Pass::kForward).forward(x, u.data());
    for (T& number : u) number *= static_cast<T>(term.scale);
    cpu::small_product(end - begin, columns, r, {u.data(), r, 1},
                       turned<T>(term.B.slice(0, part.begin, part.end)).template const_data_ptr<T>(), columns,
                       true, row<T>(y, begin) + part.begin, y.stride(0));
  }
}

// B of a projection as the panels of another r rows of its weight's, scaled: (r, out). Undefined without lora.
template <class T>
Tensor panels_of_B(const SavedProjection& p, MatmulPrecision precision) {
  if (!p.has_lora()) return {};
  const Tensor& B = p.lora->B;
  const int64_t out = B.size(0), r = B.size(1), step = cpu::panel_step<T>(precision);
  Tensor panels = at::empty({cpu::panel_numbers<T>(r, out, precision)}, B.options());
  for (int64_t row = 0; row < out; row += step)
    cpu::pack_turned(B.const_data_ptr<T>() + row * r, r, std::min(step, out - row), r,
                     static_cast<T>(p.lora->scale), row, precision, panels.data_ptr<T>());
  return panels;
}

// The forward pass of a group. `saved`: the same group where u is to be filled, or null. ys: one for each, or none.
template <class T>
void forward(const ProductInput& input, const SavedGroup& group, SavedGroup* saved, const TokenKeys& keys,
             const Tensor& residual, const std::vector<Tensor>& ys) {
  const Tensor& h = input.h;
  const int64_t in = h.size(1);
  std::vector<const FrozenMatrix*> matrices;
  std::vector<Tensor> B;
  std::optional<ThinProducts<T>> thin;
  if (saved) thin.emplace(group, LowRank<T>::Pass::kForward, h);
  if (!ys.empty())
    for (const SavedProjection& p : group) matrices.push_back(&p.weight);
  const MatmulPrecision precision = precision_of(matrices);
  for (size_t i = 0; i < matrices.size(); ++i) B.push_back(panels_of_B<T>(group[i], precision));
  const Tensor rooms = product_rooms<T>(h, precision);
  for_weight_panels<T>(matrices, PanelsOf::kRows, [&](const WeightPanels<T>& chunk) {
    for_row_blocks(h.size(0), [&](const RowBlock& block) {
      const T* x = row<T>(h, block.begin);
      if (chunk.first) {
        if (input.make) input.make(block.begin, block.end);
        if (saved) thin->forward(x, block, keys, *saved);
      }
      for (const WeightPart<T>& part : chunk.parts) {
        const SavedProjection& p = group[part.matrix];
        const Tensor& y = ys[part.matrix];
        {
          const ProfilePart gemm("gemm");
          const bool begun = begin_rows(p.bias, residual, block, part, y);
          std::array<PanelFactor<T>, 2> factors{{{x, in, in, part.panels}, {}}};
          if (p.has_lora()) {
            const int64_t r = p.u.size(1);
            factors[1] = {
                row<T>(p.u, block.begin), r, r,
                cpu::panel_at(B[part.matrix].template const_data_ptr<T>(), r, part.begin, precision)};
          }
          cpu::panel_product(std::span<const PanelFactor<T>>(factors).first(p.has_lora() ? 2 : 1),
                             block.rows(), part.end - part.begin, begun, row<T>(y, block.begin) + part.begin,
                             y.stride(0), precision, room_of<T>(rooms, block));
        }
        if (p.lora_of_rows.empty()) continue;
        const ProfilePart adapter("adapter");
        add_of_rows(x, in, p.lora_of_rows, block, part, y);
      }
    });
  });
}

std::vector<Tensor> results(const Tensor& h, const SavedGroup& group) {
  std::vector<Tensor> ys;
  for (const SavedProjection& p : group) ys.push_back(at::empty({h.size(0), p.weight.rows()}, h.options()));
  return ys;
}

void make_room_for_u(const Tensor& h, SavedGroup& group) {
  for (SavedProjection& p : group)
    if (p.has_lora()) p.u = at::empty({h.size(0), p.lora->A.size(0)}, h.options());
}

// For answers: few rows, read by kernels that divide the matrices among threads, not the rows.
Tensor few_rows_forward(const Tensor& h, const SavedProjection& p, const Tensor& residual) {
  const Tensor y = frozen_linear(h, p.weight, residual.defined() ? residual : p.bias);
  if (residual.defined() && p.bias.defined()) y.add_(p.bias);
  if (p.has_lora()) y.addmm_(at::mm(h, p.lora->A.t()), p.lora->B.t(), 1, p.lora->scale);
  for (const auto& [begin, end, term] : p.lora_of_rows)
    y.slice(0, begin, end).addmm_(at::mm(h.slice(0, begin, end), term.A.t()), term.B.t(), 1, term.scale);
  return y;
}

// A of a projection as the panels of another r rows of its weight's: (r, in). Undefined without lora.
template <class T>
Tensor panels_of_A(const SavedProjection& p, MatmulPrecision precision) {
  if (!p.has_lora()) return {};
  const Tensor& A = p.lora->A;
  const int64_t r = A.size(0), in = A.size(1);
  Tensor panels = at::empty({cpu::panel_numbers<T>(r, in, precision)}, A.options());
  for (int64_t row = 0, step = cpu::panel_step<T>(precision); row < r; row += step)
    cpu::pack_rows(A.const_data_ptr<T>() + row * in, in, std::min(step, r - row), in, row, r, precision,
                   panels.data_ptr<T>());
  return panels;
}

template <class T>
std::vector<LoraGradients> backward(const ProductInput& input, const SavedGroup& group,
                                    const std::vector<Tensor>& dys, const TokenKeys& keys, const Tensor& dh,
                                    const RowWork& done) {
  const Tensor& h = input.h;
  const int64_t in = h.size(1), strips = row_strip_count(h.size(0));
  ThinProducts<T> thin(group, LowRank<T>::Pass::kBackward, h);
  std::vector<GradientSums> sums(group.size());
  for (size_t i = 0; i < group.size(); ++i) {
    if (!group[i].has_lora()) continue;
    const int64_t r = group[i].u.size(1);
    sums[i] = {at::empty({strips, r, in}, h.options()), at::empty({strips, r, dys[i].size(1)}, h.options())};
  }
  std::vector<const FrozenMatrix*> matrices;
  std::vector<Tensor> A(group.size());
  if (dh.defined())
    for (const SavedProjection& p : group) matrices.push_back(&p.weight);
  const MatmulPrecision precision = precision_of(matrices);
  for (size_t i = 0; i < matrices.size(); ++i)
    if (group[i].has_lora() && group[i].lora->dropout == 0) A[i] = panels_of_A<T>(group[i], precision);
  const Tensor rooms = product_rooms<T>(h, precision);
  for_weight_panels<T>(matrices, PanelsOf::kColumns, [&](const WeightPanels<T>& chunk) {
    for_row_blocks(h.size(0), [&](const RowBlock& block) {
      std::vector<std::vector<T>> du(group.size());
      if (chunk.first) {
        if (input.make) input.make(block.begin, block.end);
        thin.backward(row<T>(h, block.begin), block, keys, group, dys, sums, du);
      }
      if (!dh.defined()) return;
      T* to = row<T>(dh, block.begin);
      {
        const ProfilePart gemm("gemm");
        std::vector<PanelFactor<T>> factors;
        for (const WeightPart<T>& part : chunk.parts) {
          const Tensor& dy = dys[part.matrix];
          factors.push_back(
              {row<T>(dy, block.begin) + part.begin, dy.stride(0), part.end - part.begin, part.panels});
        }
        for (size_t i = 0; i < group.size(); ++i)
          if (chunk.first && A[i].defined()) {
            const int64_t r = group[i].u.size(1);
            factors.push_back({du[i].data(), r, r, A[i].template const_data_ptr<T>()});
          }
        cpu::panel_product(std::span<const PanelFactor<T>>(factors), block.rows(), in, !chunk.first, to, in,
                           precision, room_of<T>(rooms, block));
      }
      for (size_t i = 0; i < group.size(); ++i)
        if (chunk.first && group[i].has_lora() && !A[i].defined())
          thin.add_through_dropout(du[i], *group[i].lora, keys, block, to);
      if (chunk.last && done) done(block.begin, block.end);
    });
  });
  std::vector<LoraGradients> gradients(group.size());
  for (size_t i = 0; i < group.size(); ++i)
    if (group[i].has_lora())
      gradients[i] = {sums[i].A.sum(0), sums[i].B.sum(0).mul_(group[i].lora->scale).t()};
  return gradients;
}

}  // namespace

SavedProjection::SavedProjection(const Projection& projection)
    : weight(projection.weight),
      bias(projection.bias),
      lora(projection.lora),
      lora_of_rows(projection.lora_of_rows) {
  if (!lora) return;
  lora->A = lora->A.detach().contiguous();
  lora->B = lora->B.detach().contiguous();
}

MatmulPrecision precision_of(const SavedGroup& group) {
  std::vector<const FrozenMatrix*> matrices;
  for (const SavedProjection& p : group) matrices.push_back(&p.weight);
  return precision_of(matrices);
}

std::vector<Tensor> products_forward(const ProductInput& input, SavedGroup& group, const TokenKeys& keys,
                                     bool kept, const Tensor& residual) {
  const Tensor& h = input.h;
  if (!kept && h.size(0) <= kFewRows && !drops(group)) {
    if (input.make) input.make(0, h.size(0));
    std::vector<Tensor> ys;
    for (const SavedProjection& p : group) ys.push_back(few_rows_forward(h, p, residual));
    return ys;
  }
  make_room_for_u(h, group);
  const std::vector<Tensor> ys = results(h, group);
  AT_DISPATCH_FLOATING_TYPES(h.scalar_type(), "products_forward",
                             [&] { forward<scalar_t>(input, group, &group, keys, residual, ys); });
  return ys;
}

std::vector<Tensor> products_again(const ProductInput& input, const SavedGroup& group) {
  const std::vector<Tensor> ys = results(input.h, group);
  AT_DISPATCH_FLOATING_TYPES(input.h.scalar_type(), "products_again",
                             [&] { forward<scalar_t>(input, group, nullptr, {}, {}, ys); });
  return ys;
}

void low_rank_forward(const ProductInput& input, SavedGroup& group, const TokenKeys& keys) {
  make_room_for_u(input.h, group);
  AT_DISPATCH_FLOATING_TYPES(input.h.scalar_type(), "low_rank_forward",
                             [&] { forward<scalar_t>(input, group, &group, keys, {}, {}); });
}

std::vector<LoraGradients> products_backward(const ProductInput& input, const SavedGroup& group,
                                             const std::vector<Tensor>& dy, const TokenKeys& keys,
                                             const Tensor& dh, const RowWork& done) {
  std::vector<LoraGradients> gradients;
  AT_DISPATCH_FLOATING_TYPES(input.h.scalar_type(), "products_backward",
                             [&] { gradients = backward<scalar_t>(input, group, dy, keys, dh, done); });
  return gradients;
}

Tensor plain_product(const Tensor& h, const Projection& p, const TokenKeys& keys) {
  Tensor y =
      at::linear(h, dense_for(h, p.weight), p.bias.defined() ? std::optional<Tensor>(p.bias) : std::nullopt);
  if (p.lora) {
    const LoraTerm& term = *p.lora;
    const Tensor input = term.dropout == 0
                             ? h
                             : h * dropout_mask(keys, term.dropout_key, term.dropout, h.size(1), h.options());
    y = y + at::linear(at::linear(input, term.A.to(h.device())), term.B.to(h.device())) * term.scale;
  }
  for (const auto& [begin, end, term] : p.lora_of_rows)
    y.slice(0, begin, end)
        .add_(at::linear(at::linear(h.slice(0, begin, end), term.A.to(h.device())), term.B.to(h.device())) *
              term.scale);
  return y;
}

Tensor dropout_mask(const TokenKeys& keys, uint64_t dropout_key, double p, int64_t width,
                    const at::TensorOptions& options) {
  const Tensor ones = at::ones({keys.size(0), width}, options.device(at::kCPU));
  const Tensor mask = at::empty_like(ones);
  LoraTerm term;
  term.dropout = p;
  term.dropout_key = dropout_key;
  AT_DISPATCH_FLOATING_TYPES(ones.scalar_type(), "dropout_mask", [&] {
    drop(ones.const_data_ptr<scalar_t>(), keys, term, 0, keys.size(0), width, false,
         mask.data_ptr<scalar_t>());
  });
  return mask.to(options.device());
}

}  // namespace lora::ops
