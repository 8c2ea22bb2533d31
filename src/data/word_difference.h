// Where two sequences of words differ: the runs left over by a longest common subsequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lora {

// Words [a_begin, a_end) of the one stand where [b_begin, b_end) of the other do; one of the two may be empty.
struct Hunk {
  size_t a_begin = 0, a_end = 0, b_begin = 0, b_end = 0;

  bool operator==(const Hunk&) const = default;
};

// In order. Beyond the common beginning and end, texts with more than four million pairs of words between them are
// given as one hunk: time and memory stay bounded.
std::vector<Hunk> word_difference(std::span<const uint32_t> a, std::span<const uint32_t> b);

}  // namespace lora
