// Packed blocks to floats: the vector kernels under dequantize.h and nf4.h. Plain pointers, no threads, no checks; compiled
// once for each instruction set and chosen at run time. Every instruction set gives the same bits: products and sums are
// rounded one by one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "files/tensor_info.h"

namespace lora::kernels {

// `n` elements, whole blocks, of a type that can_dequantize (not F32, which needs no kernel).
void unpack(DType dtype, const uint8_t* in, size_t n, float* out);

// Whole blocks of `block_size` (even) codes of 4 bits, the first of each pair in the high half of its byte:
// out = code[c] * scales[block], rounded to `dtype` (kF32: not, kBF16 or kF16). code: 16 values.
void unpack_four_bit(const uint8_t* in, const float* code, const float* scales, size_t blocks,
                     size_t block_size, DType dtype, float* out);

}  // namespace lora::kernels
