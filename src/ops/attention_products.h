// The products of attention, of a tile of queries and the heads that read one key head. The numbers of q, k, v and their like are floats or
// doubles, or, side by side, pairs of bfloat16: then probabilities and their gradients, which are floats, are rounded to pairs too, as
// torch.autocast does. Inside ops/ only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "ops/attention_tiles.h"
#include "ops/cpu/small_pairs.h"
#include "ops/cpu/small_product.h"

namespace lora::ops::tiled_attention {

using cpu::pairs::Pair;
using cpu::pairs::whole_vectors;

// What products of E add up to.
template <class E>
using Sum = std::conditional_t<std::is_same_v<E, Pair>, float, E>;

// Room of one thread.
template <class E>
struct Room {
  std::vector<Sum<E>> p, dp, slope;
  std::vector<E> left, right;  // factors, laid out
};

// So many numbers of a room, which only grows.
template <class T>
T* numbers_of(std::vector<T>& room, int64_t n) {
  if (std::ssize(room) < n) room.resize(static_cast<size_t>(n));
  return room.data();
}

// s (rows, keys) = q k^T, unscaled. Keys are turned as many at a time as are multiplied at a time, across their runs.
template <class E>
void scores(const HeadGroup& group, const Heads<const E>& q, const Heads<const E>& k, Room<E>& room,
            Sum<E>* s) {
  const int64_t width = cpu::small_product_columns<E>(), keys = group.visible.keys;
  E* turned = numbers_of(room.right, k.head_dim * width);
  int64_t column = 0, held = 0;
  const auto multiply = [&] {
    for (int64_t h = 0; h < group.heads; ++h)
      cpu::small_product(group.queries(), held, k.head_dim,
                         cpu::LeftFactor<E>{group.first_row(q, h), q.stride, 1}, turned, width, false,
                         group.scores_of(s, h) + column, keys);
    column += held;
    held = 0;
  };
  for (const KeyRange& range : group.visible.ranges)
    for (int64_t key = range.begin, n = 0; key < range.end; key += n) {
      n = std::min(width - held, range.end - key);
      cpu::turn(k.at(key, group.kv_head), k.stride, n, k.head_dim, turned + held, width);
      held += n;
      if (held == width) multiply();
    }
  if (held > 0) multiply();
}

// Rows of `out` = p (rows, keys) times the rows of `values` over the runs of keys.
template <class T>
void weighted_sum(const HeadGroup& group, const T* p, const Heads<const T>& values, Room<T>&,
                  const Heads<T>& out) {
  int64_t column = 0;
  for (const KeyRange& range : group.visible.ranges) {
    const int64_t n = range.end - range.begin;
    for (int64_t h = 0; h < group.heads; ++h)
      cpu::small_product(group.queries(), values.head_dim, n,
                         {group.scores_of(p, h) + column, group.visible.keys, 1},
                         values.at(range.begin, group.kv_head), values.stride, column > 0,
                         group.first_row(out, h), out.stride);
    column += n;
  }
}

// Rows of `sums` += p^T x over the runs of keys; p (rows, keys).
template <class T>
void scatter_sum(const HeadGroup& group, const T* p, const Heads<const T>& x, Room<T>&,
                 const Heads<T>& sums) {
  int64_t column = 0;
  for (const KeyRange& range : group.visible.ranges) {
    const int64_t n = range.end - range.begin;
    for (int64_t h = 0; h < group.heads; ++h)
      cpu::small_product(n, sums.head_dim, group.queries(),
                         {group.scores_of(p, h) + column, 1, group.visible.keys}, group.first_row(x, h),
                         x.stride, true, sums.at(range.begin, group.kv_head), sums.stride);
    column += n;
  }
}

// The values of the keys that a tile sees, two keys a pair: (keys / 2, head_dim). The last of an odd number stands beside zeros.
inline void join_keys(const HeadGroup& group, const Heads<const Pair>& values, int64_t columns,
                      int64_t stride, Pair* to) {
  const Pair* first = nullptr;
  for (const KeyRange& range : group.visible.ranges)
    for (int64_t key = range.begin; key < range.end; ++key) {
      const Pair* row = values.at(key, group.kv_head);
      if (first) {
        cpu::pairs::join_rows(first, row, columns, to);
        to += stride;
      }
      first = first ? nullptr : row;
    }
  if (first) cpu::pairs::join_rows(first, nullptr, columns, to);
}

inline void weighted_sum(const HeadGroup& group, const float* p, const Heads<const Pair>& values,
                         Room<Pair>& room, const Heads<float>& out) {
  // Rows are whole lines of a cache apart.
  const int64_t keys = group.visible.keys, pairs = (keys + 1) / 2, columns = out.head_dim,
                stride = whole_vectors(columns), left_stride = whole_vectors(pairs);
  Pair *left = numbers_of(room.left, group.queries() * left_stride),
       *right = numbers_of(room.right, pairs * stride);
  join_keys(group, values, columns, stride, right);
  for (int64_t h = 0; h < group.heads; ++h) {
    for (int64_t i = 0; i < group.queries(); ++i)
      cpu::pairs::round_row(group.scores_of(p, h) + i * keys, keys, left + i * left_stride);
    cpu::small_product(group.queries(), columns, pairs, cpu::LeftFactor<Pair>{left, left_stride, 1}, right,
                       stride, false, group.first_row(out, h), out.stride);
  }
}

// Two queries make a pair.
inline void scatter_sum(const HeadGroup& group, const float* p, const Heads<const Pair>& x, Room<Pair>& room,
                        const Heads<float>& sums) {
  const int64_t keys = group.visible.keys, queries = group.queries(), pairs = (queries + 1) / 2,
                columns = sums.head_dim, stride = whole_vectors(columns);
  Pair *left = numbers_of(room.left, pairs * keys), *right = numbers_of(room.right, pairs * stride);
  for (int64_t h = 0; h < group.heads; ++h) {
    const Pair* rows = group.first_row(x, h);
    const float* scores = group.scores_of(p, h);
    for (int64_t i = 0; i < pairs; ++i) {
      const bool two = 2 * i + 1 < queries;
      cpu::pairs::join_rows(rows + 2 * i * x.stride, two ? rows + (2 * i + 1) * x.stride : nullptr, columns,
                            right + i * stride);
      cpu::pairs::round_rows(scores + 2 * i * keys, two ? scores + (2 * i + 1) * keys : nullptr, keys,
                             left + i * keys);
    }
    int64_t column = 0;
    for (const KeyRange& range : group.visible.ranges) {
      const int64_t n = range.end - range.begin;
      cpu::small_product(n, columns, pairs, cpu::LeftFactor<Pair>{left + column, 1, keys}, right, stride,
                         true, sums.at(range.begin, group.kv_head), sums.stride);
      column += n;
    }
  }
}

}  // namespace lora::ops::tiled_attention
