#include "text/byte_trie.h"

#include <algorithm>

namespace lora {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries) : nodes_(1) {
  std::erase_if(entries, [](const auto& entry) { return entry.first.empty(); });
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  struct Range {
    uint32_t node;
    size_t begin, end, depth;  // entries that share the node's path of `depth` bytes
  };
  // A node's children are made together, so they lie together; `open` grows while it is read.
  std::vector<Range> open = {{0, 0, entries.size(), 0}};
  for (size_t k = 0; k < open.size(); ++k) {
    const Range range = open[k];
    size_t i = range.begin;
    for (; i < range.end && entries[i].first.size() == range.depth; ++i)
      nodes_[range.node].value = entries[i].second;
    nodes_[range.node].first = static_cast<uint32_t>(nodes_.size());
    while (i < range.end) {
      const char label = entries[i].first[range.depth];
      size_t stop = i + 1;
      while (stop < range.end && entries[stop].first[range.depth] == label) ++stop;
      const auto made = static_cast<uint32_t>(nodes_.size());
      nodes_.push_back({.label = static_cast<uint8_t>(label)});
      ++nodes_[range.node].count;
      open.push_back({made, i, stop, range.depth + 1});
      i = stop;
    }
  }
  for (uint32_t i = 0; i < nodes_[0].count; ++i)
    root_[nodes_[nodes_[0].first + i].label] = nodes_[0].first + i;
}

}  // namespace lora
