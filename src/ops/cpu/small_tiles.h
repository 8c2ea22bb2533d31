// The products of small_pairs.h on matrix tiles (AMX), where an instruction does the work of 256 of vectors. Only where
// tiles::available().
#pragma once

#include <cstdint>

#include "ops/cpu/small_pairs.h"

namespace lora::ops::cpu::tiles {

// As small_product() of pairs; a's rows or its columns lie side by side: a.row or a.column is 1.
void small_product(int64_t m, int64_t n, int64_t k, const LeftFactor<pairs::Pair>& a, const pairs::Pair* b,
                   int64_t b_stride, bool accumulate, float* c, int64_t c_stride);

}  // namespace lora::ops::cpu::tiles
