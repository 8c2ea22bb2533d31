// Near duplicates among texts: all pairs whose sets of shingles overlap enough, found without comparing every pair.
// MinHash (Broder 1997) with banding (Indyk and Motwani 1998) proposes pairs; the exact Jaccard similarity decides.
//
// A shingle is a word (data/words.h) or two neighbouring words: single words alone would forget their order, longer
// runs leave a chat row of six words nothing to share after one change. Two texts of twenty words that differ in one
// have similarity 0.86.
//
// Knows nothing of rows and templates: data/twin_rows.h does. Time is linear in the number of texts: a crowd of
// near-equal texts is compared within a window, not each with each (so of 10,000 copies of a template each is tied to
// its neighbours, not to all). Memory: 16 bytes a text and what goes to the temporary file beyond the budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/spill_file.h"

namespace lora {

// The words of many texts, in order, beyond the budget in a temporary file.
class WordStore {
 public:
  explicit WordStore(size_t memory_budget) : words_(memory_budget) {}

  void add(std::span<const uint32_t> words);
  size_t size() const { return begin_.size(); }
  // Number of words of a text.
  size_t length(size_t text) const;
  void read(size_t text, std::vector<uint32_t>& out) const;
  std::vector<uint32_t> read(size_t text) const;

 private:
  SpillFile words_;
  std::vector<uint64_t> begin_;  // in words
};

struct NearPair {
  uint32_t first = 0, second = 0;  // first < second
  float similarity = 0;            // Jaccard, 0 to 1

  bool operator==(const NearPair&) const = default;
};

struct NearOptions {
  double threshold = 0.8;
  // Look a second time without the shingles that very many texts share, so that long boilerplate does not hide which
  // texts are really close.
  bool look_past_boilerplate = false;
  // Pairs kept for a text with earlier ones, the most similar first; 0: all.
  size_t most_per_text = 0;
  // A number for each text, or nothing. Of pairs with equal numbers (other than 0) as many again are kept, so that a
  // crowd does not push out the one that matters; among equal texts they are always found.
  std::span<const uint64_t> labels = {};
  // Only pairs of a text before this one with a text from it on, of equal texts behind it each with one; 0: all pairs.
  size_t border = 0;
  size_t memory_budget = size_t{32} << 20;
};

// Pairs with similarity >= threshold, by second, then first. At 0.8 a pair is missed with probability 3e-5 or less, at
// 0.6 with 6 %. Texts without a word are in no pair. Errors: kMachine (temporary file).
std::vector<NearPair> find_near_duplicates(const WordStore& texts, const NearOptions& options);

// The shingles of a text as a sorted set of hashes.
void shingles_of(std::span<const uint32_t> words, std::vector<uint32_t>& out);
// Of two sorted sets; 1 when both are empty.
double jaccard(std::span<const uint32_t> a, std::span<const uint32_t> b);

}  // namespace lora
