#include "ops/attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>

#include "base/profile.h"
#include "ops/cpu/attend.h"
#include "ops/cpu/gemm.h"
#include "ops/cpu/kernels.h"
#include "ops/differentiable.h"

namespace lora::ops {
namespace {

using cpu::Transpose;

// Queries are worked on in tiles, so that a tile of scores stays in the cache and keys after it are skipped.
constexpr int64_t kTile = 64;

struct Tile {
  const AttentionBlock* block;
  int64_t begin, end;  // query rows
};

int64_t total(const std::vector<KeyRange>& ranges) {
  int64_t n = 0;
  for (const KeyRange& range : ranges) n += range.end - range.begin;
  return n;
}

// The keys that a tile sees, as runs of rows: the block's context, then its own rows up to the tile's last query; with a
// window, without those that even the tile's first query does not see.
struct VisibleKeys {
  std::vector<KeyRange> ranges;
  int64_t keys = 0;  // rows of all ranges
  Tile tile;
  int64_t window;

  VisibleKeys(const Tile& of, int64_t window_length) : tile(of), window(window_length) {
    int64_t hidden = 0;
    if (window > 0)
      hidden =
          std::max<int64_t>(0, total(tile.block->context) + tile.begin - tile.block->q_begin - window + 1);
    const auto add = [&](KeyRange range) {
      const int64_t drop = std::min(hidden, range.end - range.begin);
      hidden -= drop;
      if (range.begin + drop == range.end) return;
      ranges.push_back({range.begin + drop, range.end});
      keys += range.end - range.begin - drop;
    };
    for (const KeyRange& range : tile.block->context) add(range);
    add({tile.block->self_begin, tile.block->self_begin + tile.end - tile.block->q_begin});
  }

  // Of these keys, query row `row` sees [seen_begin, seen_end).
  int64_t seen_end(int64_t row) const { return keys - (tile.end - 1 - row); }
  int64_t seen_begin(int64_t row) const {
    return window > 0 ? std::max<int64_t>(0, seen_end(row) - window) : 0;
  }
};

std::vector<Tile> tiles_of(const AttentionBlock& block) {
  std::vector<Tile> tiles;
  for (int64_t begin = block.q_begin; begin < block.q_end; begin += kTile)
    tiles.push_back({&block, begin, std::min(begin + kTile, block.q_end)});
  return tiles;
}

// A matrix (rows, heads * head_dim): the address of one head in one row, and the distance between rows.
template <class T>
struct Heads {
  T* data;
  int64_t stride, head_dim;
  T* at(int64_t row, int64_t head) const { return data + row * stride + head * head_dim; }
};

template <class T>
Heads<T> heads_of(const at::Tensor& t, const AttentionShape& shape) {
  using Value = std::remove_const_t<T>;
  return {t.data_ptr<Value>(), t.size(1), shape.head_dim};
}

// s (rows, keys) = q k^T, unscaled, over the runs of keys.
template <class T>
void scores(const Heads<const T>& q, const Heads<const T>& k, const Tile& tile,
            const std::vector<KeyRange>& ranges, int64_t head, int64_t kv_head, int64_t keys, T* s) {
  int64_t column = 0;
  for (const KeyRange& range : ranges) {
    const int64_t n = range.end - range.begin;
    cpu::gemm(Transpose::kNo, Transpose::kYes, tile.end - tile.begin, n, q.head_dim, T{1},
              q.at(tile.begin, head), q.stride, k.at(range.begin, kv_head), k.stride, T{0}, s + column, keys);
    column += n;
  }
}

// out (rows, head_dim) = p (rows, keys) times the rows of `values` over the runs of keys.
template <class T>
void weighted_sum(const T* p, const Heads<const T>& values, int64_t kv_head,
                  const std::vector<KeyRange>& ranges, int64_t rows, int64_t keys, T* out,
                  int64_t out_stride) {
  int64_t column = 0;
  T beta{0};
  for (const KeyRange& range : ranges) {
    const int64_t n = range.end - range.begin;
    cpu::gemm(Transpose::kNo, Transpose::kNo, rows, values.head_dim, n, T{1}, p + column, keys,
              values.at(range.begin, kv_head), values.stride, beta, out, out_stride);
    column += n;
    beta = T{1};
  }
}

// rows of `sums` += p^T x over the runs of keys; x (rows, head_dim).
template <class T>
void scatter_sum(const T* p, const T* x, int64_t x_stride, const Heads<T>& sums, int64_t kv_head,
                 const std::vector<KeyRange>& ranges, int64_t rows, int64_t keys) {
  int64_t column = 0;
  for (const KeyRange& range : ranges) {
    const int64_t n = range.end - range.begin;
    cpu::gemm(Transpose::kYes, Transpose::kNo, n, sums.head_dim, rows, T{1}, p + column, keys, x, x_stride,
              T{1}, sums.at(range.begin, kv_head), sums.stride);
    column += n;
  }
}

// One head of the forward pass: addresses, scaling and where the log-sum-exp of each (query, head) goes.
template <class T>
struct Forward {
  Heads<const T> q, k, v;
  Heads<T> out;
  T* lse;  // (Tq, num_heads)
  const AttentionShape& shape;
  int64_t group = shape.num_heads / shape.num_kv_heads;

  // Scores of one query and head in place, over all visible keys: softmax over those that it sees, 0 elsewhere.
  void softmax(T* row, const VisibleKeys& visible, int64_t query, int64_t head) const {
    const T scale = static_cast<T>(shape.scale), cap = static_cast<T>(shape.softcap);
    const int64_t from = visible.seen_begin(query), to = visible.seen_end(query);
    if (cap > 0) cpu::softcap(row + from, to - from, scale, cap, nullptr);
    lse[query * shape.num_heads + head] = cpu::softmax_row(row + from, to - from, cap > 0 ? T{1} : scale);
    std::fill(row, row + from, T{0});
    std::fill(row + to, row + visible.keys, T{0});
  }

  // A tile of queries, one head.
  void tile(const Tile& tile, int64_t head, std::vector<T>& buffer) const {
    const VisibleKeys visible(tile, shape.window);
    const int64_t rows = tile.end - tile.begin, keys = visible.keys;
    buffer.resize(static_cast<size_t>(rows * keys));
    T* s = buffer.data();
    scores(q, k, tile, visible.ranges, head, head / group, keys, s);
    for (int64_t i = 0; i < rows; ++i) softmax(s + i * keys, visible, tile.begin + i, head);
    weighted_sum(s, v, head / group, visible.ranges, rows, keys, out.at(tile.begin, head), out.stride);
  }

  // A single query, all heads that read one key head.
  void query(const Tile& tile, int64_t kv_head, std::vector<T>& buffer) const {
    const VisibleKeys visible(tile, shape.window);
    const int64_t keys = visible.keys, first_head = kv_head * group;
    buffer.resize(static_cast<size_t>(group * keys));
    T *s = buffer.data(), *o = out.at(tile.begin, first_head);
    int64_t column = 0;
    for (const KeyRange& range : visible.ranges) {
      cpu::query_scores(q.at(tile.begin, first_head), group, q.head_dim, k.at(range.begin, kv_head), k.stride,
                        range.end - range.begin, s + column, keys);
      column += range.end - range.begin;
    }
    for (int64_t h = 0; h < group; ++h) softmax(s + h * keys, visible, tile.begin, first_head + h);
    std::fill(o, o + group * q.head_dim, T{0});
    column = 0;
    for (const KeyRange& range : visible.ranges) {
      cpu::add_weighted_rows(s + column, keys, group, q.head_dim, v.at(range.begin, kv_head), v.stride,
                             range.end - range.begin, o);
      column += range.end - range.begin;
    }
  }
};

template <class T>
void forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionLayout& layout,
             const AttentionShape& shape, const at::Tensor& out, const at::Tensor& lse) {
  const Forward<T> pass{heads_of<const T>(q, shape), heads_of<const T>(k, shape), heads_of<const T>(v, shape),
                        heads_of<T>(out, shape),     lse.data_ptr<T>(),           shape};
  std::vector<Tile> tiles, queries;
  for (const AttentionBlock& block : layout.blocks)
    for (const Tile& tile : tiles_of(block)) (tile.end - tile.begin == 1 ? queries : tiles).push_back(tile);

  const auto over = [](const std::vector<Tile>& of, int64_t heads, const auto& work) {
    at::parallel_for(0, static_cast<int64_t>(of.size()) * heads, 1, [&](int64_t begin, int64_t end) {
      std::vector<T> buffer;
      for (int64_t item = begin; item < end; ++item)
        work(of[static_cast<size_t>(item / heads)], item % heads, buffer);
    });
  };
  over(tiles, shape.num_heads,
       [&](const Tile& tile, int64_t head, std::vector<T>& buffer) { pass.tile(tile, head, buffer); });
  over(queries, shape.num_kv_heads,
       [&](const Tile& tile, int64_t kv_head, std::vector<T>& buffer) { pass.query(tile, kv_head, buffer); });
}

template <class T>
void backward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& out,
              const at::Tensor& lse, const at::Tensor& dout, const AttentionLayout& layout,
              const AttentionShape& shape, const at::Tensor& dq, const at::Tensor& dk, const at::Tensor& dv) {
  const auto qh = heads_of<const T>(q, shape), kh = heads_of<const T>(k, shape),
             vh = heads_of<const T>(v, shape);
  const auto oh = heads_of<const T>(out, shape), doh = heads_of<const T>(dout, shape);
  const auto dqh = heads_of<T>(dq, shape), dkh = heads_of<T>(dk, shape), dvh = heads_of<T>(dv, shape);
  const T* lse_data = lse.data_ptr<T>();
  const int64_t group = shape.num_heads / shape.num_kv_heads;
  const auto trees = static_cast<int64_t>(layout.tree_begin.size());
  const T scale = static_cast<T>(shape.scale), softcap = static_cast<T>(shape.softcap);

  // A key gathers gradients from many queries. One thread owns all queries of a (tree, head), so that no sum is shared
  // between threads and its order is fixed: the heads of dk and dv are as many as those of q or of k.
  const int64_t sums = dk.size(1) / shape.head_dim, heads_a_sum = shape.num_heads / sums;
  at::parallel_for(0, trees * sums, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> p_buffer, dp_buffer, slope_buffer;
    for (int64_t item = begin; item < end; ++item) {
      const auto tree = static_cast<size_t>(item / sums);
      const int64_t sum = item % sums;
      const size_t last =
          tree + 1 < layout.tree_begin.size() ? layout.tree_begin[tree + 1] : layout.blocks.size();
      for (size_t b = layout.tree_begin[tree]; b < last; ++b) {
        for (const Tile& tile : tiles_of(layout.blocks[b])) {
          const VisibleKeys visible(tile, shape.window);
          const auto& ranges = visible.ranges;
          const int64_t keys = visible.keys, rows = tile.end - tile.begin;
          if (softcap > 0) slope_buffer.resize(static_cast<size_t>(keys));
          p_buffer.resize(static_cast<size_t>(rows * keys));
          dp_buffer.resize(static_cast<size_t>(rows * keys));
          T *p = p_buffer.data(), *dp = dp_buffer.data();
          for (int64_t head = sum * heads_a_sum; head < (sum + 1) * heads_a_sum; ++head) {
            const int64_t kv_head = head / group;
            scores(qh, kh, tile, ranges, head, kv_head, keys, p);
            scores(doh, vh, tile, ranges, head, kv_head, keys, dp);
            for (int64_t i = 0; i < rows; ++i) {
              const int64_t row = tile.begin + i;
              const int64_t from = visible.seen_begin(row), to = visible.seen_end(row), n = to - from;
              T *pr = p + i * keys, *dpr = dp + i * keys;
              const T lse_row = lse_data[row * shape.num_heads + head];
              const T delta = cpu::dot(oh.at(row, head), doh.at(row, head), shape.head_dim);
              if (softcap > 0) {
                cpu::softcap(pr + from, n, scale, softcap, slope_buffer.data());
                cpu::softmax_row_again(pr + from, n, T{1}, lse_row);
                cpu::softmax_row_backward(pr + from, n, delta, T{1}, dpr + from);
                cpu::multiply(slope_buffer.data(), n, dpr + from);
              } else {
                cpu::softmax_row_again(pr + from, n, scale, lse_row);
                cpu::softmax_row_backward(pr + from, n, delta, scale, dpr + from);
              }
              for (T* numbers : {pr, dpr}) {
                std::fill(numbers, numbers + from, T{0});
                std::fill(numbers + to, numbers + keys, T{0});
              }
            }
            scatter_sum<T>(p, doh.at(tile.begin, head), doh.stride, dvh, sum, ranges, rows, keys);
            scatter_sum<T>(dp, qh.at(tile.begin, head), qh.stride, dkh, sum, ranges, rows, keys);
            weighted_sum(dp, kh, kv_head, ranges, rows, keys, dqh.at(tile.begin, head), dqh.stride);
          }
        }
      }
    }
  });
}

// How many sums each key's gradients are gathered in: one a key head, or, where that would leave threads waiting for each
// other, one a query head, which are then added.
int64_t heads_of_sums(const AttentionLayout& layout, const AttentionShape& shape) {
  const auto items = static_cast<int64_t>(layout.tree_begin.size()) * shape.num_kv_heads;
  const int threads = at::get_num_threads();
  return threads > 1 && items < 4 * threads ? shape.num_heads : shape.num_kv_heads;
}

at::Tensor fused(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionLayout& layout,
                 const AttentionShape& shape) {
  const at::Tensor qd = q.detach().contiguous(), kd = k.detach().contiguous(), vd = v.detach().contiguous();
  const at::Tensor out = at::empty_like(qd);
  const at::Tensor lse = at::empty({qd.size(0), shape.num_heads}, qd.options());
  AT_DISPATCH_FLOATING_TYPES(qd.scalar_type(), "attention",
                             [&] { forward<scalar_t>(qd, kd, vd, layout, shape, out, lse); });
  std::vector<at::Tensor> outputs{out};
  if (!any_requires_grad({q, k, v})) return out;
  attach_backward(
      "attention", {q, k, v}, outputs,
      [qd, kd, vd, o = out.detach(), lse, layout, shape](const auto& gradients, const auto&) {
        const at::Tensor dout = gradients[0].contiguous();
        const at::Tensor dq = at::empty_like(qd);
        const int64_t sums = heads_of_sums(layout, shape);
        at::Tensor dk = at::zeros({kd.size(0), sums * shape.head_dim}, kd.options()), dv = at::zeros_like(dk);
        AT_DISPATCH_FLOATING_TYPES(qd.scalar_type(), "attention_backward", [&] {
          backward<scalar_t>(qd, kd, vd, o, lse, dout, layout, shape, dq, dk, dv);
        });
        const auto of_key_heads = [&](const at::Tensor& sum) {
          if (sums == shape.num_kv_heads) return sum;
          const int64_t group = shape.num_heads / shape.num_kv_heads;
          return sum.view({kd.size(0), shape.num_kv_heads, group, shape.head_dim}).sum(2).view(kd.sizes());
        };
        return std::vector<at::Tensor>{dq, of_key_heads(dk), of_key_heads(dv)};
      });
  return outputs[0];
}

// The plain twin: gathers each block's keys and masks what lies in the future or before the window.
at::Tensor reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const AttentionLayout& layout, const AttentionShape& shape) {
  const int64_t group = shape.num_heads / shape.num_kv_heads;
  const auto split = [&](const at::Tensor& t, int64_t heads) {  // (heads, rows, head_dim)
    return t.view({t.size(0), heads, shape.head_dim}).transpose(0, 1);
  };
  std::vector<at::Tensor> parts;
  int64_t next = 0;
  for (const AttentionBlock& block : layout.blocks) {
    TORCH_CHECK(block.q_begin == next, "blocks must cover the queries in order");
    next = block.q_end;
    const int64_t rows = block.q_end - block.q_begin;
    std::vector<at::Tensor> keys, values;
    for (const KeyRange& range : block.context) {
      keys.push_back(k.slice(0, range.begin, range.end));
      values.push_back(v.slice(0, range.begin, range.end));
    }
    keys.push_back(k.slice(0, block.self_begin, block.self_begin + rows));
    values.push_back(v.slice(0, block.self_begin, block.self_begin + rows));
    const at::Tensor kb = split(at::cat(keys), shape.num_kv_heads).repeat_interleave(group, 0);
    const at::Tensor vb = split(at::cat(values), shape.num_kv_heads).repeat_interleave(group, 0);
    const at::Tensor qb = split(q.slice(0, block.q_begin, block.q_end), shape.num_heads);
    at::Tensor s = at::matmul(qb, kb.transpose(1, 2)) * shape.scale;
    if (shape.softcap > 0) s = at::tanh(s / shape.softcap) * shape.softcap;
    const at::Tensor all = at::ones({rows, kb.size(1)}, q.options().dtype(at::kBool));
    at::Tensor hidden = all.triu(kb.size(1) - rows + 1);  // the future
    if (shape.window > 0) hidden = hidden | all.tril(kb.size(1) - rows - shape.window);
    s = s.masked_fill(hidden, -std::numeric_limits<double>::infinity());
    parts.push_back(at::matmul(at::softmax(s, -1), vb).transpose(0, 1).reshape({rows, q.size(1)}));
  }
  return at::cat(parts);
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const AttentionLayout& layout, const AttentionShape& shape, Backend backend) {
  const ProfileScope scope("attention");
  return backend == Backend::kFused ? fused(q, k, v, layout, shape) : reference(q, k, v, layout, shape);
}

}  // namespace lora::ops
