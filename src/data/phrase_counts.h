// In how many rows a phrase of one to four words stands, for phrases named beforehand. A table without chains: a count
// may be too high where very many phrases are named, never too low. At most 40 MB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lora {

class PhraseCounts {
 public:
  static constexpr size_t kLongest = 4;

  // `words`: about how many will be given to name_phrases().
  explicit PhraseCounts(size_t words);
  // Names every phrase of these words, for count().
  void name_phrases(std::span<const uint32_t> words);
  // One row's words; a phrase that repeats in them counts once. After all naming.
  void count_row(std::span<const uint32_t> words);
  // Rows that hold words[begin, begin + length). Precondition: length is 1 to kLongest, and in range.
  uint32_t rows_with(std::span<const uint32_t> words, size_t begin, size_t length) const;

 private:
  std::vector<uint64_t> named_;  // a bit each
  std::vector<uint32_t> counts_;
  std::vector<uint64_t> row_;
};

}  // namespace lora
