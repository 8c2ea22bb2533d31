// Divides the rows of a pass among threads, and those of a thread into blocks small enough that what the thread makes of
// a block is still in its cache when it reads it again. What an operation does to a row, all of it, one after the other, on
// one thread, replaces passes of all threads over all rows.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

namespace lora::ops {

struct RowBlock {
  int64_t worker;      // 0 … row_workers() - 1: whoever owns sums over rows
  int64_t begin, end;  // rows
  bool first;          // of its worker
  int64_t rows() const { return end - begin; }
};

// With fewer rows, reading the weights takes longer than multiplying; with more, what is made of them leaves the cache.
constexpr int64_t kFewestRows = 48, kBlockRows = 136;

// How many threads work on so many rows.
inline int64_t row_workers(int64_t rows) {
  return std::clamp<int64_t>(rows / kFewestRows, 1, at::get_num_threads());
}

// body(RowBlock) over rows 0 … rows-1, each worker's blocks, one at least, in ascending order. The division depends on nothing but the
// number of rows and of threads.
template <class Body>
void for_row_blocks(int64_t rows, const Body& body) {
  const int64_t workers = row_workers(rows);
  at::parallel_for(0, workers, 1, [&](int64_t first, int64_t last) {
    for (int64_t worker = first; worker < last; ++worker) {
      const int64_t begin = rows * worker / workers, end = rows * (worker + 1) / workers;
      const int64_t blocks = std::max<int64_t>(1, (end - begin + kBlockRows - 1) / kBlockRows);
      for (int64_t i = 0; i < blocks; ++i)
        body(RowBlock{worker, begin + (end - begin) * i / blocks, begin + (end - begin) * (i + 1) / blocks,
                      i == 0});
    }
  });
}

}  // namespace lora::ops
