// Deals pieces of work to threads as they become free: a core that is slower, as some of a laptop's are, or that other programs use
// too, gets fewer of them. Whoever deals decides what a piece is, so that results don't depend on who took it.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace lora::ops {

// body(piece, thread) for pieces 0 … pieces-1, begun in that order: the largest come first. thread: 0 … threads-1, one piece at a
// time each; by default all of at::parallel_for's.
template <class Body>
void deal(int64_t pieces, const Body& body, int64_t threads = at::get_num_threads()) {
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, std::min(pieces, threads), 1, [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread < end; ++thread)
      for (int64_t piece = next++; piece < pieces; piece = next++) body(piece, thread);
  });
}

}  // namespace lora::ops
