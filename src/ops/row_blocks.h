// Divides the rows of a pass into strips that threads take as they become free (deal.h), and those of a strip into blocks small
// enough that what a thread makes of a block is still in its cache when it reads it again. What an operation does to a row, all
// of it, one after the other, on one thread, replaces passes of all threads over all rows.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops/cpu/panels.h"
#include "ops/deal.h"

namespace lora::ops {

struct RowBlock {
  int64_t thread;                 // whoever owns rooms: 0 … row_workers() * row_shares() - 1
  int64_t strip;                  // whoever owns sums over rows: 0 … row_strip_count() - 1
  int64_t begin, end;             // rows
  bool first;                     // of its strip
  int64_t share = 0, shares = 1;  // of what is made of the rows: which, of how many
  int64_t rows() const { return end - begin; }
};

// With fewer rows, reading the weights takes longer than multiplying; with more, what is made of them leaves the cache.
constexpr int64_t kFewestRows = 48, kBlockRows = 224;
// Each strip reads all weights that are laid out: shorter ones would wait for them.
constexpr int64_t kShortestStrip = 96;
// Where blocks of a strip may begin: steps of what products take at a time, about so many rows.
constexpr int64_t kBlockStep = 32;
inline int64_t block_step(int64_t step) {
  return kBlockStep / step * step;
}

// How many threads, of `threads`, work on so many rows.
inline int64_t row_workers(int64_t rows, int64_t threads = at::get_num_threads()) {
  return std::clamp<int64_t>(rows / kFewestRows, 1, threads);
}

// How many threads may share a worker's rows, where these are too few for all threads.
inline int64_t row_shares(int64_t rows) {
  return at::get_num_threads() / row_workers(rows);
}

// Where strips begin, and the end of the last. As many of each size as there are workers, so that threads of one speed end together,
// each size half of what is left, so that others wait for a short one. They begin at multiples of `step`, which products take at a
// time. Depends on nothing else.
inline std::vector<int64_t> row_strips(int64_t rows, int64_t threads = at::get_num_threads(),
                                       int64_t step = cpu::product_row_step()) {
  const int64_t workers = row_workers(rows, threads);
  std::vector<int64_t> begins{0};
  const auto left = [&] { return rows - begins.back(); };
  for (;;) {
    const int64_t half = left() / (2 * workers);
    if (workers == 1 || half < kShortestStrip) break;
    const int64_t of_blocks = block_step(step), size = (half + of_blocks / 2) / of_blocks * of_blocks;
    for (int64_t i = 0; i < workers; ++i) begins.push_back(begins.back() + size);
  }
  const int64_t units = (left() + step - 1) / step, last = begins.back();
  for (int64_t i = 1; i <= workers; ++i) begins.push_back(std::min(rows, last + units * i / workers * step));
  return begins;
}

// Where the blocks of a strip begin, one at least, and the end of the last. None has more rows than kBlockRows.
inline std::vector<int64_t> strip_blocks(int64_t begin, int64_t end, int64_t step = cpu::product_row_step()) {
  const int64_t unit = block_step(step), units = (end - begin + unit - 1) / unit, most = kBlockRows / unit,
                blocks = std::max<int64_t>(1, (units + most - 1) / most);
  std::vector<int64_t> begins;
  for (int64_t i = 0; i <= blocks; ++i) begins.push_back(std::min(end, begin + units * i / blocks * unit));
  return begins;
}

inline int64_t row_strip_count(int64_t rows, int64_t threads = at::get_num_threads()) {
  return static_cast<int64_t>(row_strips(rows, threads).size()) - 1;
}

// body(RowBlock) over rows 0 … rows-1: each strip's blocks, one at least, in ascending order on one thread. With `shares` every strip
// comes so many times, each time perhaps on another thread.
template <class Body>
void for_row_blocks(int64_t rows, const Body& body, int64_t shares = 1) {
  const std::vector<int64_t> strips = row_strips(rows);
  const auto blocks_of_strip = [&](int64_t piece, int64_t thread) {
    const auto strip = static_cast<size_t>(piece / shares);
    const std::vector<int64_t> blocks = strip_blocks(strips[strip], strips[strip + 1]);
    for (size_t i = 0; i + 1 < blocks.size(); ++i)
      body(RowBlock{thread, piece / shares, blocks[i], blocks[i + 1], i == 0, piece % shares, shares});
  };
  deal((static_cast<int64_t>(strips.size()) - 1) * shares, blocks_of_strip, row_workers(rows) * shares);
}

}  // namespace lora::ops
