// The order in which an epoch goes through the rows: a function of seed and epoch, so that a resumed run, and a plan, know it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "base/random.h"

namespace lora {

// A permutation of 0 … rows - 1.
inline std::vector<size_t> row_order(uint64_t seed, int64_t epoch, size_t rows) {
  constexpr uint64_t kOrderStream = 0x6f72646572;  // "order": keeps it apart from other streams of the seed
  return Random(seed, mix64(kOrderStream, static_cast<uint64_t>(epoch))).permutation(rows);
}

}  // namespace lora
