// Divides the rows of a pass among threads, and those of a thread into blocks small enough that what the thread makes of
// a block is still in its cache when it reads it again. What an operation does to a row, all of it, one after the other, on
// one thread, replaces passes of all threads over all rows.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

namespace lora::ops {

struct RowBlock {
  int64_t worker;                 // whoever owns sums over rows: 0 … row_workers() * shares - 1
  int64_t begin, end;             // rows
  bool first;                     // of its worker
  int64_t share = 0, shares = 1;  // of what is made of the rows: which, of how many
  int64_t rows() const { return end - begin; }
};

// With fewer rows, reading the weights takes longer than multiplying; with more, what is made of them leaves the cache.
constexpr int64_t kFewestRows = 48, kBlockRows = 224;
// Where a worker's rows begin and where a block's do, counted from there: a multiple, as products take so many rows at a time.
constexpr int64_t kWorkerStep = 16, kBlockStep = 32;

// How many threads, of `threads`, work on so many rows.
inline int64_t row_workers(int64_t rows, int64_t threads = at::get_num_threads()) {
  return std::clamp<int64_t>(rows / kFewestRows, 1, threads);
}

// How many threads may share a worker's rows, where these are too few for all threads.
inline int64_t row_shares(int64_t rows) {
  return at::get_num_threads() / row_workers(rows);
}

// body(RowBlock) over rows 0 … rows-1, each worker's blocks, one at least, in ascending order. With `shares` every block comes so many
// times, each on a worker of its own. The division depends on nothing but the number of rows and of threads.
template <class Body>
void for_row_blocks(int64_t rows, const Body& body, int64_t shares = 1) {
  const int64_t workers = row_workers(rows), units = (rows + kWorkerStep - 1) / kWorkerStep;
  at::parallel_for(0, workers * shares, 1, [&](int64_t first, int64_t last) {
    for (int64_t which = first; which < last; ++which) {
      const int64_t worker = which / shares;
      const auto worker_begin = [&](int64_t i) {
        return i == workers ? rows : units * i / workers * kWorkerStep;
      };
      const int64_t begin = worker_begin(worker), end = worker_begin(worker + 1),
                    steps = (end - begin + kBlockStep - 1) / kBlockStep;
      const int64_t blocks = std::max<int64_t>(1, (end - begin + kBlockRows - 1) / kBlockRows);
      const auto block_begin = [&](int64_t i) {
        return std::min(end, begin + steps * i / blocks * kBlockStep);
      };
      for (int64_t i = 0; i < blocks; ++i)
        body(RowBlock{which, block_begin(i), block_begin(i + 1), i == 0, which % shares, shares});
    }
  });
}

}  // namespace lora::ops
