// Signatures that meet by chance as often as sets overlap: MinHash cut into bands. Only the bands' keys are kept.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace lora {

// Two sets of Jaccard similarity s share a band with probability 1 - (1 - s^kRows)^kBands:
// s = 0.5: 0.73, 0.6: 0.94, 0.7: 0.996, 0.8: 0.99997.
class MinHash {
 public:
  static constexpr size_t kBands = 20;
  static constexpr size_t kRows = 4;
  using Keys = std::array<uint32_t, kBands>;

  explicit MinHash(uint64_t seed);
  // `set` holds hashes, each once. Precondition: not empty.
  Keys keys(std::span<const uint32_t> set) const;

 private:
  static constexpr size_t kHashes = kBands * kRows;
  std::array<uint32_t, kHashes> factor_, shift_;
};

}  // namespace lora
