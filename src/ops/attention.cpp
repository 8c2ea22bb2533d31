#include "ops/attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/profile.h"
#include "ops/attention_products.h"
#include "ops/attention_tiles.h"
#include "ops/cpu/attend.h"
#include "ops/cpu/pairs.h"
#include "ops/cpu/score_kernels.h"
#include "ops/cpu/small_product.h"
#include "ops/deal.h"
#include "ops/differentiable.h"
#include "ops/kept_rows.h"

namespace lora::ops {
namespace {

using namespace tiled_attention;

// How many sums each gradient of a key may be gathered in, so that threads need not wait for each other.
constexpr int64_t kMostSums = 4;

int64_t cost(const VisibleKeys& tile) {
  return tile.tile.queries() * tile.keys;
}

// Places of tiles, the dearest first: what comes last, others wait for.
std::vector<size_t> largest_first(const std::vector<VisibleKeys>& tiles) {
  std::vector<size_t> order(tiles.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t i) { return cost(tiles[i]); });
  return order;
}

// Cuts items of these costs into `parts` runs of about equal cost: the first item of each, and their number.
std::vector<size_t> equal_parts(const std::vector<int64_t>& costs, int64_t parts) {
  const int64_t all = std::accumulate(costs.begin(), costs.end(), int64_t{0});
  std::vector<size_t> bounds{0};
  int64_t done = 0;
  size_t item = 0;
  for (int64_t part = 1; part < parts; ++part) {
    // An item belongs to the part that its middle lies in.
    for (; item < costs.size() && (2 * done + costs[item]) * parts < 2 * all * part; ++item)
      done += costs[item];
    bounds.push_back(item);
  }
  bounds.push_back(costs.size());
  return bounds;
}

// Numbers of t (rows, heads * head_dim) that products read, or float and double that they are added to.
template <class E>
Heads<const E> read_heads(const at::Tensor& t, const AttentionShape& shape) {
  if constexpr (std::is_same_v<E, Pair>)  // two bfloat16 each
    return {static_cast<const Pair*>(t.const_data_ptr()), t.size(1) / 2, shape.head_dim / 2};
  else
    return {t.const_data_ptr<E>(), t.size(1), shape.head_dim};
}
template <class T>
Heads<T> written_heads(const at::Tensor& t, const AttentionShape& shape) {
  return {t.data_ptr<T>(), t.size(1), shape.head_dim};
}

// The forward pass of all query heads that read one key head: addresses, scaling and where the log-sum-exp of each
// (query, head) goes.
template <class E>
struct Forward {
  using T = Sum<E>;
  Heads<const E> q, k, v;
  Heads<T> out;
  T* lse;  // (Tq, num_heads)
  const AttentionShape& shape;
  int64_t group = shape.num_heads / shape.num_kv_heads;
  const cpu::ScoreKernels<T>& kernels = cpu::score_kernels<T>();

  // Scores of one query and head in place, over all visible keys: softmax over those that it sees, 0 elsewhere.
  void softmax(T* row, const VisibleKeys& visible, int64_t query, int64_t head) const {
    const T scale = static_cast<T>(shape.scale), cap = static_cast<T>(shape.softcap);
    const int64_t from = visible.seen_begin(query), to = visible.seen_end(query);
    if (cap > 0) kernels.softcap(row + from, to - from, scale, cap, nullptr);
    lse[query * shape.num_heads + head] = kernels.softmax_row(row + from, to - from, cap > 0 ? T{1} : scale);
    std::fill(row, row + from, T{0});
    std::fill(row + to, row + visible.keys, T{0});
  }

  // A tile of queries.
  void tile(const VisibleKeys& visible, int64_t kv_head, Room<E>& room) const {
    const HeadGroup heads{visible, kv_head, group};
    T* s = numbers_of(room.p, heads.rows() * visible.keys);
    scores(heads, q, k, room, s);
    for (int64_t h = 0; h < group; ++h)
      for (int64_t i = 0; i < heads.queries(); ++i)
        softmax(heads.scores_of(s, h) + i * visible.keys, visible, visible.tile.begin + i, heads.head(h));
    weighted_sum(heads, s, v, room, out);
  }

  // A single query, of floats or doubles.
  void query(const VisibleKeys& visible, int64_t kv_head, Room<E>& room) const {
    const int64_t keys = visible.keys, first_head = kv_head * group, row = visible.tile.begin;
    room.p.resize(static_cast<size_t>(group * keys));
    T *s = room.p.data(), *o = out.at(row, first_head);
    int64_t column = 0;
    for (const KeyRange& range : visible.ranges) {
      cpu::query_scores(q.at(row, first_head), group, q.head_dim, k.at(range.begin, kv_head), k.stride,
                        range.end - range.begin, s + column, keys);
      column += range.end - range.begin;
    }
    for (int64_t h = 0; h < group; ++h) softmax(s + h * keys, visible, row, first_head + h);
    std::fill(o, o + group * q.head_dim, T{0});
    column = 0;
    for (const KeyRange& range : visible.ranges) {
      cpu::add_weighted_rows(s + column, keys, group, q.head_dim, v.at(range.begin, kv_head), v.stride,
                             range.end - range.begin, o);
      column += range.end - range.begin;
    }
  }
};

template <class E>
void forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionLayout& layout,
             const AttentionShape& shape, const at::Tensor& out, const at::Tensor& lse) {
  using T = Sum<E>;
  const Forward<E> pass{read_heads<E>(q, shape),      read_heads<E>(k, shape), read_heads<E>(v, shape),
                        written_heads<T>(out, shape), lse.data_ptr<T>(),       shape};
  const std::vector<VisibleKeys> tiles = tiles_of(layout, 0, layout.blocks.size(), shape);
  const int64_t heads = shape.num_kv_heads;
  const std::vector<size_t> order = largest_first(tiles);
  std::vector<Room<E>> rooms(static_cast<size_t>(at::get_num_threads()));
  deal(std::ssize(tiles) * heads, [&](int64_t i, int64_t thread) {
    const VisibleKeys& visible = tiles[order[static_cast<size_t>(i / heads)]];
    Room<E>& room = rooms[static_cast<size_t>(thread)];
    if constexpr (!std::is_same_v<E, Pair>)
      if (visible.tile.queries() == 1) return pass.query(visible, i % heads, room);
    pass.tile(visible, i % heads, room);
  });
}

// The backward pass of all query heads that read one key head.
template <class E>
struct Backward {
  using T = Sum<E>;
  Heads<const E> q, k, v, dout;
  const T* lse;  // (Tq, num_heads)
  Heads<T> dq;
  const AttentionShape& shape;
  bool rounded;  // q and k, since the forward pass: lse is not of their scores
  int64_t group = shape.num_heads / shape.num_kv_heads;
  const cpu::ScoreKernels<T>& kernels = cpu::score_kernels<T>();

  // Probabilities and gradients of scores of one query and head, in place of its scores and of dout . v.
  void softmax_backward(T* p, T* dp, const VisibleKeys& visible, int64_t query, int64_t head,
                        std::vector<T>& slope) const {
    const T scale = static_cast<T>(shape.scale), softcap = static_cast<T>(shape.softcap);
    const int64_t from = visible.seen_begin(query), to = visible.seen_end(query), n = to - from;
    if (softcap > 0) {
      slope.resize(static_cast<size_t>(visible.keys));
      kernels.softcap(p + from, n, scale, softcap, slope.data());
    }
    const T row_scale = softcap > 0 ? T{1} : scale;
    if (rounded)
      kernels.softmax_row(p + from, n, row_scale);
    else
      kernels.exp_row(p + from, n, row_scale, lse[query * shape.num_heads + head]);
    // The same as out . dout, of numbers that are at hand.
    const T delta = kernels.dot(p + from, dp + from, n);
    kernels.softmax_row_backward(p + from, n, delta, row_scale, dp + from);
    if (softcap > 0) kernels.multiply(slope.data(), n, dp + from);
    for (T* numbers : {p, dp}) {
      std::fill(numbers, numbers + from, T{0});
      std::fill(numbers + to, numbers + visible.keys, T{0});
    }
  }

  // Of a tile of queries. dk, dv: sums that no other thread adds to meanwhile.
  void tile(const VisibleKeys& visible, int64_t kv_head, const Heads<T>& dk, const Heads<T>& dv,
            Room<E>& room) const {
    const HeadGroup heads{visible, kv_head, group};
    T *p = numbers_of(room.p, heads.rows() * visible.keys),
      *dp = numbers_of(room.dp, heads.rows() * visible.keys);
    scores(heads, q, k, room, p);
    scores(heads, dout, v, room, dp);
    for (int64_t h = 0; h < group; ++h)
      for (int64_t i = 0; i < heads.queries(); ++i) {
        const int64_t row = i * visible.keys;
        softmax_backward(heads.scores_of(p, h) + row, heads.scores_of(dp, h) + row, visible,
                         visible.tile.begin + i, heads.head(h), room.slope);
      }
    scatter_sum(heads, p, dout, room, dv);
    scatter_sum(heads, dp, q, room, dk);
    weighted_sum(heads, dp, k, room, dq);
  }
};

// A key gathers gradients from many queries, which one thread adds in a fixed order: all queries of a (tree, key head), or,
// where that would leave threads waiting for each other, those of one of several parts of equal work, each with its own sum.
int64_t sums_of(const AttentionLayout& layout, const AttentionShape& shape) {
  const auto items = static_cast<int64_t>(layout.tree_begin.size()) * shape.num_kv_heads;
  const int64_t threads = at::get_num_threads();
  return items % threads == 0 || items >= 4 * threads ? 1 : attention_sums(threads);
}

// dq: (Tq, num_heads * head_dim), written; dk, dv: (sums, Tk, num_kv_heads * head_dim), zero.
template <class E>
void backward(const Backward<E>& pass, const AttentionLayout& layout, const at::Tensor& dk,
              const at::Tensor& dv) {
  using T = Sum<E>;
  struct Part {
    std::vector<VisibleKeys> tiles;
    std::vector<size_t> bounds;
  };
  const int64_t sums = dk.size(0), kv_heads = pass.shape.num_kv_heads;
  std::vector<Part> trees;
  for (size_t tree = 0; tree < layout.tree_begin.size(); ++tree) {
    const size_t last =
        tree + 1 < layout.tree_begin.size() ? layout.tree_begin[tree + 1] : layout.blocks.size();
    Part part{tiles_of(layout, layout.tree_begin[tree], last, pass.shape), {}};
    std::vector<int64_t> costs;
    for (const VisibleKeys& tile : part.tiles) costs.push_back(cost(tile));
    part.bounds = equal_parts(costs, sums);
    trees.push_back(std::move(part));
  }
  const int64_t items = static_cast<int64_t>(trees.size()) * kv_heads;
  std::vector<Room<E>> rooms(static_cast<size_t>(at::get_num_threads()));
  deal(sums * items, [&](int64_t i, int64_t thread) {
    const int64_t sum = i / items, kv_head = i % kv_heads;
    const Part& part = trees[static_cast<size_t>(i % items / kv_heads)];
    const Heads<T> dks = written_heads<T>(dk[sum], pass.shape), dvs = written_heads<T>(dv[sum], pass.shape);
    for (size_t t = part.bounds[static_cast<size_t>(sum)]; t < part.bounds[static_cast<size_t>(sum) + 1]; ++t)
      pass.tile(part.tiles[t], kv_head, dks, dvs, rooms[static_cast<size_t>(thread)]);
  });
}

// Whether products read bfloat16, two at a time.
bool in_pairs(const AttentionShape& shape, MatmulPrecision precision) {
  return precision == MatmulPrecision::kMedium && shape.head_dim % 2 == 0 && cpu::pairs::available();
}

// body(E{}): what products of tensors of this type read.
template <class Body>
void of_element(at::ScalarType type, const Body& body) {
  if (type == at::kBFloat16) return body(Pair{});
  AT_DISPATCH_FLOATING_TYPES(type, "attention", [&] { body(scalar_t{}); });
}

at::Tensor fused(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionLayout& layout,
                 const AttentionShape& shape, MatmulPrecision precision) {
  const at::ScalarType type = q.scalar_type(),
                       read = type == at::kFloat && in_pairs(shape, precision) ? at::kBFloat16 : type;
  const auto rows = [read](const at::Tensor& x) {
    return KeptRows(x, read == at::kBFloat16 ? MatmulPrecision::kMedium : MatmulPrecision::kHighest).rows();
  };
  const at::Tensor qd = rows(q.detach().contiguous()), kd = rows(k.detach().contiguous()),
                   vd = rows(v.detach().contiguous());
  std::vector<at::Tensor> outputs{at::empty(q.sizes(), q.options())};
  const at::Tensor lse = at::empty({q.size(0), shape.num_heads}, q.options());
  of_element(read, [&](auto e) { forward<decltype(e)>(qd, kd, vd, layout, shape, outputs[0], lse); });
  if (!any_requires_grad({q, k, v})) return outputs[0];
  const KeptRows kept_q(qd, precision), kept_k(kd, precision), kept_v(vd, precision);
  attach_backward(
      "attention", {q, k, v}, outputs,
      [kept_q, kept_k, kept_v, lse, layout, shape, type, read, rows](const auto& gradients, const auto&) {
        const at::Tensor qd = kept_q.restored(), kd = kept_k.restored(), vd = kept_v.restored(),
                         dout = rows(gradients[0].contiguous());
        const int64_t sums = sums_of(layout, shape);
        const at::Tensor dq = at::empty(qd.sizes(), qd.options().dtype(type)),
                         dk = at::zeros({sums, kd.size(0), kd.size(1)}, dq.options()),
                         dv = at::zeros_like(dk);
        of_element(read, [&](auto e) {
          using E = decltype(e);
          const auto heads = [&](const at::Tensor& x) { return read_heads<E>(x, shape); };
          const Backward<E> pass{heads(qd),
                                 heads(kd),
                                 heads(vd),
                                 heads(dout),
                                 lse.data_ptr<Sum<E>>(),
                                 written_heads<Sum<E>>(dq, shape),
                                 shape,
                                 kept_q.rows().scalar_type() != read};
          backward<E>(pass, layout, dk, dv);
        });
        const auto sum = [](const at::Tensor& parts) {  // in the first; the others live as long
          const at::Tensor all = parts[0];
          for (int64_t i = 1; i < parts.size(0); ++i) all.add_(parts[i]);
          return all;
        };
        return std::vector<at::Tensor>{dq, sum(dk), sum(dv)};
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

int64_t attention_room(const AttentionShape& shape, int64_t queries, int64_t keys,
                       MatmulPrecision precision) {
  const int64_t tile = std::min(tile_queries(shape), queries),
                scores = shape.num_heads / shape.num_kv_heads * tile * 2 * keys,
                turned = shape.head_dim * cpu::small_product_columns<float>();
  if (!in_pairs(shape, precision)) return scores + turned;
  const int64_t of_queries = (tile + 1) / 2, of_keys = (keys + 1) / 2;
  return scores + std::max(turned, std::max(of_queries, of_keys) * whole_vectors(shape.head_dim)) +
         std::max(of_queries * keys, tile * whole_vectors(of_keys));
}

int64_t attention_copies(const AttentionShape& shape, int64_t queries, int64_t keys,
                         MatmulPrecision precision, bool backward) {
  const int64_t q = queries * shape.num_heads * shape.head_dim,
                kv = 2 * keys * shape.num_kv_heads * shape.head_dim;
  if (in_pairs(shape, precision)) return (backward ? q : q + kv) / 2;
  return backward && kept_bytes(precision) < 4 ? q + kv : 0;
}

int64_t attention_sums(int64_t threads) {
  return std::min(threads, kMostSums);
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const AttentionLayout& layout, const AttentionShape& shape, Backend backend,
                     MatmulPrecision precision) {
  const ProfileScope scope("attention");
  return backend == Backend::kFused ? fused(q, k, v, layout, shape, precision)
                                    : reference(q, k, v, layout, shape);
}

}  // namespace lora::ops
