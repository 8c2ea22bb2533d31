#include "data/phrase_counts.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"

namespace lora {

namespace {

uint64_t extend(uint64_t phrase, uint32_t word) {
  return mix64(phrase ^ word);
}

constexpr size_t kSpace = 256;  // slots a word while there is room: hardly two phrases share one
constexpr size_t kFewestSlots = size_t{1} << 12, kMostSlots = size_t{1} << 23;

}  // namespace

PhraseCounts::PhraseCounts(size_t words)
    : counts_(std::bit_ceil(std::clamp(words, kFewestSlots / kSpace, kMostSlots / kSpace) * kSpace)) {
  named_.resize(counts_.size() * 8 / 64);
}

void PhraseCounts::name_phrases(std::span<const uint32_t> words) {
  for (size_t begin = 0; begin < words.size(); ++begin) {
    uint64_t phrase = 0;
    for (size_t i = begin; i < std::min(begin + kLongest, words.size()); ++i) {
      phrase = extend(phrase, words[i]);
      const uint64_t bit = phrase % (named_.size() * 64);
      named_[bit / 64] |= uint64_t{1} << bit % 64;
    }
  }
}

void PhraseCounts::count_row(std::span<const uint32_t> words) {
  row_.clear();
  for (size_t begin = 0; begin < words.size(); ++begin) {
    uint64_t phrase = 0;
    for (size_t i = begin; i < std::min(begin + kLongest, words.size()); ++i) {
      phrase = extend(phrase, words[i]);
      const uint64_t bit = phrase % (named_.size() * 64);
      if ((named_[bit / 64] >> bit % 64 & 1) == 0) break;  // where a phrase is named, its beginnings are
      row_.push_back(phrase);
    }
  }
  std::sort(row_.begin(), row_.end());
  row_.erase(std::unique(row_.begin(), row_.end()), row_.end());
  for (const uint64_t phrase : row_) ++counts_[(phrase >> 32) % counts_.size()];
}

uint32_t PhraseCounts::rows_with(std::span<const uint32_t> words, size_t begin, size_t length) const {
  uint64_t phrase = 0;
  for (size_t i = begin; i < begin + length; ++i) phrase = extend(phrase, words[i]);
  return counts_[(phrase >> 32) % counts_.size()];
}

}  // namespace lora
