#include "generate/row_pool.h"

#include <iterator>

namespace lora {

int64_t RowPool::take(int64_t count) {
  for (auto run = free_.begin(); run != free_.end(); ++run) {
    const auto [first, length] = *run;
    if (length < count) continue;
    free_.erase(run);
    if (length > count) free_[first + count] = length - count;
    return first;
  }
  int64_t first = capacity_;
  if (!free_.empty()) {  // what is free at the end is the beginning of it
    const auto last = std::prev(free_.end());
    if (last->first + last->second == capacity_) {
      first = last->first;
      free_.erase(last);
    }
  }
  capacity_ = first + count;
  return first;
}

void RowPool::give_back(int64_t first, int64_t count) {
  auto [run, inserted] = free_.emplace(first, count);
  if (const auto next = std::next(run); next != free_.end() && first + count == next->first) {
    run->second += next->second;
    free_.erase(next);
  }
  if (run == free_.begin()) return;
  const auto before = std::prev(run);
  if (before->first + before->second != first) return;
  before->second += run->second;
  free_.erase(run);
}

}  // namespace lora
