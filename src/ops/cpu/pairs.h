// The products of panels.h with MatmulPrecision::kMedium on vectors that multiply pairs of bfloat16 (AVX512_BF16: AMD since Zen 4, some
// Xeons without tiles), on AMD twice the arithmetic of floats. A number is the nearest bfloat16, sums are floats. With more precision they
// gain nothing: a product of numbers of 16 bits would be three of theirs.
#pragma once

#include <cstdint>
#include <span>

#include "ops/cpu/panels.h"

namespace lora::ops::cpu::pairs {

// Whether the processor has them.
bool available();

// Columns of a panel; columns, or rows, that are packed at a time; rows of c that are summed up at a time.
constexpr int64_t kColumns = 64, kStep = 16, kRows = 6;

// Numbers (float) that a matrix of k rows and n columns takes in panels, and a product with m rows in its room.
int64_t panel_numbers(int64_t k, int64_t n);
int64_t room_numbers(int64_t m);

// See panels.h. rows: 1 to kStep.
void pack_turned(const float* w, int64_t w_stride, int64_t rows, int64_t k, float scale, int64_t column,
                 float* panels);
void pack_rows(const float* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k,
               float* panels);
void product(std::span<const PanelFactor<float>> factors, int64_t m, int64_t n, bool accumulate, float* c,
             int64_t c_stride, float* room);

}  // namespace lora::ops::cpu::pairs
