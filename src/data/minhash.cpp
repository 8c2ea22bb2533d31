#include "data/minhash.h"

#include <algorithm>

#include "base/random.h"

namespace lora {

MinHash::MinHash(uint64_t seed) {
  Random random(seed, 0x6d696e68617368);
  for (uint32_t& f : factor_) f = static_cast<uint32_t>(random.next()) | 1;
  for (uint32_t& s : shift_) s = static_cast<uint32_t>(random.next());
}

MinHash::Keys MinHash::keys(std::span<const uint32_t> set) const {
  std::array<uint32_t, kHashes> least;
  least.fill(UINT32_MAX);
  for (const uint32_t item : set) {
    const auto x = static_cast<uint32_t>(mix64(item) >> 32);  // the multiplications below mix only upwards
    for (size_t i = 0; i < kHashes; ++i) least[i] = std::min(least[i], x * factor_[i] + shift_[i]);
  }
  Keys keys;
  for (size_t band = 0; band < kBands; ++band) {
    uint64_t key = band;
    for (size_t row = 0; row < kRows; ++row) key = mix64(key, least[band * kRows + row]);
    keys[band] = static_cast<uint32_t>(key >> 32);
  }
  return keys;
}

}  // namespace lora
