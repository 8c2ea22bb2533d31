// Who owns which rows of the key-value cache: runs of rows handed out and taken back, lowest first. Grows when nothing
// fits, never shrinks.
#pragma once

#include <cstdint>
#include <map>

namespace lora {

class RowPool {
 public:
  // The first of `count` rows in a run; count >= 1.
  int64_t take(int64_t count);
  // Gives back what take(count) gave. Precondition: it was taken and not given back.
  void give_back(int64_t first, int64_t count);
  // Rows that exist: all that were ever needed at once, and what lies between them.
  int64_t capacity() const { return capacity_; }

 private:
  std::map<int64_t, int64_t> free_;  // first row -> count; neighbours are merged
  int64_t capacity_ = 0;
};

}  // namespace lora
