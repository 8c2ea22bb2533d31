// A set of byte strings with a number each, for finding all of them that start at a place in a text. Built once.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lora {

class ByteTrie {
 public:
  // Empty strings are left out; of equal ones the last counts. Numbers are not negative.
  explicit ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries);

  // Calls found(length, number) for each string that `text` has at `begin`, the shortest first.
  template <typename Found>
  void prefixes(std::string_view text, size_t begin, Found found) const {
    uint32_t node = 0;
    for (size_t i = begin; i < text.size(); ++i) {
      node = child(node, static_cast<uint8_t>(text[i]));
      if (node == 0) return;
      if (nodes_[node].value >= 0) found(i + 1 - begin, nodes_[node].value);
    }
  }
  // The longest such string; a length of 0 when there is none.
  std::pair<size_t, int32_t> longest(std::string_view text, size_t begin) const {
    std::pair<size_t, int32_t> best{0, -1};
    prefixes(text, begin, [&](size_t length, int32_t value) { best = {length, value}; });
    return best;
  }
  bool empty() const { return nodes_.size() == 1; }

 private:
  struct Node {
    uint32_t first = 0;  // its children are nodes first … first + count - 1, ordered by label
    uint16_t count = 0;
    uint8_t label = 0;
    int32_t value = -1;
  };
  uint32_t child(uint32_t node, uint8_t byte) const {  // 0 when there is none
    if (node == 0) return root_[byte];
    const Node& parent = nodes_[node];
    uint32_t low = parent.first, high = parent.first + parent.count;
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (nodes_[middle].label < byte) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low < parent.first + parent.count && nodes_[low].label == byte ? low : 0;
  }

  std::vector<Node> nodes_;
  std::array<uint32_t, 256> root_{};
};

}  // namespace lora
