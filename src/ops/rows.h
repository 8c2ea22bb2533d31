// Divides the rows of a matrix among threads.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

namespace lora::ops {

// body(begin, end) over rows 0 … rows-1 of `width` numbers each. Small work stays on one thread: below some 32k numbers
// starting threads costs more than it saves. The division depends on nothing but the sizes and the thread count.
template <class Body>
void for_rows(int64_t rows, int64_t width, const Body& body) {
  constexpr int64_t kNumbersAThread = 32768;
  at::parallel_for(0, rows, std::max<int64_t>(1, kNumbersAThread / std::max<int64_t>(1, width)), body);
}

}  // namespace lora::ops
