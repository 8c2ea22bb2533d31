// How attention is cut: tiles of queries, the keys that each sees, the heads that share keys. No arithmetic on scores here. Inside ops/
// only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops/attention.h"

namespace lora::ops::tiled_attention {

// Queries are worked on in tiles, so that a tile of scores stays in the cache and keys after it are skipped: up to so many
// queries, and about so many rows of scores where several query heads read one key head.
constexpr int64_t kTile = 64, kTileRows = 96, kFewestQueries = 16;

struct Tile {
  const AttentionBlock* block;
  int64_t begin, end;  // query rows
  int64_t queries() const { return end - begin; }
};

inline int64_t total(const std::vector<KeyRange>& ranges) {
  int64_t n = 0;
  for (const KeyRange& range : ranges) n += range.end - range.begin;
  return n;
}

// A tile and the keys that it sees, as runs of rows: the block's context, then its own rows up to the tile's last query; with
// a window, without those that even the tile's first query does not see.
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

inline int64_t tile_queries(const AttentionShape& shape) {
  return std::clamp(kTileRows / (shape.num_heads / shape.num_kv_heads), kFewestQueries, kTile);
}

// Tiles of blocks first … last - 1.
inline std::vector<VisibleKeys> tiles_of(const AttentionLayout& layout, size_t first, size_t last,
                                         const AttentionShape& shape) {
  const int64_t most = tile_queries(shape);
  std::vector<VisibleKeys> tiles;
  for (size_t b = first; b < last; ++b) {
    const AttentionBlock& block = layout.blocks[b];
    for (int64_t begin = block.q_begin; begin < block.q_end; begin += most)
      tiles.emplace_back(Tile{&block, begin, std::min(begin + most, block.q_end)}, shape.window);
  }
  return tiles;
}

// A matrix (rows, heads * head_dim): the address of one head in one row, and the distance between rows.
template <class T>
struct Heads {
  T* data;
  int64_t stride, head_dim;
  T* at(int64_t row, int64_t head) const { return data + row * stride + head * head_dim; }
};

// The query heads that read one key head, for a tile of queries. What they have of each key stands head below head: row
// h * queries + i of scores is query i of the group's head h.
struct HeadGroup {
  const VisibleKeys& visible;
  int64_t kv_head, heads;

  int64_t queries() const { return visible.tile.queries(); }
  int64_t rows() const { return heads * queries(); }
  int64_t head(int64_t h) const { return kv_head * heads + h; }
  template <class T>
  T* scores_of(T* s, int64_t h) const {
    return s + h * queries() * visible.keys;
  }
  template <class T>
  T* first_row(const Heads<T>& x, int64_t h) const {
    return x.at(visible.tile.begin, head(h));
  }
};

}  // namespace lora::ops::tiled_attention
