// The products of panels.h on matrix tiles (AMX), which newer Xeons have: eight to sixteen times the arithmetic of vectors, but on
// bfloat16 alone. A float is the sum of three of them without any rest, so a product is a sum of six products of theirs (the
// three that are left out are below its rounding error), and of three where the weights are bfloat16 already; sums are float.
// So results are as exact as those of float arithmetic (Henry, Tang and Heinecke 2019, "Leveraging the bfloat16
// Artificial Intelligence Datatype for Higher-Precision Computations"). With MatmulPrecision::kHigh a number is the sum of two,
// rounded, and a product one of three products, or two; with kMedium a number is the nearest bfloat16. Not said in general: numbers below 1e-38 count as 0.
#pragma once

#include <cstdint>
#include <span>

#include "base/matmul_precision.h"
#include "ops/cpu/panels.h"

namespace lora::ops::cpu::tiles {

// Whether the processor has them, the system lets the process use them, and they are not switched off.
bool available();
// For tests and measurements, while nothing is multiplied: panels that were laid out before can't be read after.
void switch_off(bool off);

// Columns of a panel, and rows that are packed at a time.
constexpr int64_t kColumns = 32, kDepth = 32;
// Rows of a tile.
constexpr int64_t kTileRows = 16;

// Numbers (float) that a matrix of k rows and n columns takes in panels, and a product with m rows in its room.
int64_t panel_numbers(int64_t k, int64_t n, MatmulPrecision precision);
int64_t room_numbers(int64_t m, MatmulPrecision precision);

// See panels.h. rows: 1 to kColumns, to kDepth.
void pack_turned(const float* w, int64_t w_stride, int64_t rows, int64_t k, float scale, int64_t column,
                 MatmulPrecision precision, float* panels);
void pack_rows(const float* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k,
               MatmulPrecision precision, float* panels);
void product(std::span<const PanelFactor<float>> factors, int64_t m, int64_t n, bool accumulate, float* c,
             int64_t c_stride, MatmulPrecision precision, float* room);

}  // namespace lora::ops::cpu::tiles
