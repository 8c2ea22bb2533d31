#include "data/word_difference.h"

#include <algorithm>

namespace lora {
namespace {

constexpr size_t kMostCells = size_t{4} << 20;

}  // namespace

std::vector<Hunk> word_difference(std::span<const uint32_t> a, std::span<const uint32_t> b) {
  size_t begin = 0, end = 0;
  const size_t shorter = std::min(a.size(), b.size());
  while (begin < shorter && a[begin] == b[begin]) ++begin;
  while (end < shorter - begin && a[a.size() - 1 - end] == b[b.size() - 1 - end]) ++end;
  const size_t n = a.size() - begin - end, m = b.size() - begin - end;
  if (n == 0 && m == 0) return {};
  if (n == 0 || m == 0 || n > kMostCells / m) return {{begin, begin + n, begin, begin + m}};

  // length[i * (m + 1) + j]: of the longest common subsequence of a's words from i and b's from j.
  std::vector<uint32_t> length((n + 1) * (m + 1));
  const auto at = [&](size_t i, size_t j) -> uint32_t& { return length[i * (m + 1) + j]; };
  for (size_t i = n; i-- > 0;)
    for (size_t j = m; j-- > 0;)
      at(i, j) = a[begin + i] == b[begin + j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
  std::vector<Hunk> hunks;
  for (size_t i = 0, j = 0; i < n || j < m;) {
    if (i < n && j < m && a[begin + i] == b[begin + j]) {
      ++i;
      ++j;
      continue;
    }
    Hunk hunk{begin + i, begin + i, begin + j, begin + j};
    while ((i < n || j < m) && !(i < n && j < m && a[begin + i] == b[begin + j])) {
      if (j == m || (i < n && at(i + 1, j) >= at(i, j + 1)))
        ++i;
      else
        ++j;
    }
    hunk.a_end = begin + i;
    hunk.b_end = begin + j;
    hunks.push_back(hunk);
  }
  return hunks;
}

}  // namespace lora
