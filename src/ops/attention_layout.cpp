#include <algorithm>

#include "ops/attention.h"

namespace lora::ops {

AttentionLayout queries_of(const AttentionLayout& layout, const std::vector<int64_t>& rows) {
  AttentionLayout some;
  auto row = rows.begin();
  for (size_t tree = 0; tree < layout.tree_begin.size(); ++tree) {
    some.tree_begin.push_back(some.blocks.size());
    const size_t end =
        tree + 1 < layout.tree_begin.size() ? layout.tree_begin[tree + 1] : layout.blocks.size();
    for (size_t b = layout.tree_begin[tree]; b < end; ++b) {
      const AttentionBlock& block = layout.blocks[b];
      while (row != rows.end() && *row < block.q_end) {
        // A run of rows without a gap. What the block had before it is context now.
        const auto first = row;
        while (++row != rows.end() && *row < block.q_end && *row == row[-1] + 1) {
        }
        const int64_t before = *first - block.q_begin, begin = first - rows.begin();
        AttentionBlock run{begin, begin + (row - first), block.self_begin + before, block.context};
        if (before > 0) run.context.push_back({block.self_begin, block.self_begin + before});
        some.blocks.push_back(std::move(run));
      }
    }
  }
  return some;
}

}  // namespace lora::ops
