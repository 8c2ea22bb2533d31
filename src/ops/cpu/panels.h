// Matrix products whose right factor is laid out in panels: so many columns side by side as sums of a few rows fill the registers.
// A frozen weight is unpacked into panels directly, so that nothing lays it out a second time, and one pass over the result
// adds up several products, LoRA's among them. Where the processor multiplies tiles (tiles.h), float takes those, and where its vectors
// multiply pairs of bfloat16 (pairs.h), kMedium takes these; only they know of a precision: what is multiplied together, its rooms
// too, is of the same. One thread; float and double.
#pragma once

#include <cstdint>
#include <span>

#include "base/matmul_precision.h"

namespace lora::ops::cpu {

// Columns of a panel.
template <class T>
int64_t panel_columns(MatmulPrecision precision);
// Columns that pack_turned fills at a time, and rows that pack_rows does; a divisor of panel_columns.
template <class T>
int64_t panel_step(MatmulPrecision precision);

// Numbers that a matrix of k rows and n columns takes in panels. The last panel may hold columns that do not exist.
template <class T>
int64_t panel_numbers(int64_t k, int64_t n, MatmulPrecision precision);

// Where the panel begins whose first column is `column`, a multiple of panel_columns, of panels of k rows.
template <class T>
const T* panel_at(const T* panels, int64_t k, int64_t column, MatmulPrecision precision) {
  return panels + panel_numbers<T>(k, column, precision);
}

// The transpose of w, scaled: rows 0 … rows-1 of w (rows, k), w_stride apart, become columns column … of panels of k rows.
// rows: 1 to panel_step(), less only where no column follows; column: a multiple of panel_step().
void pack_turned(const float* w, int64_t w_stride, int64_t rows, int64_t k, float scale, int64_t column,
                 MatmulPrecision precision, float* panels);
void pack_turned(const double* w, int64_t w_stride, int64_t rows, int64_t k, double scale, int64_t column,
                 MatmulPrecision precision, double* panels);

// w (rows, n), w_stride apart, becomes rows row … of panels of k rows.
// rows: 1 to panel_step(), less only at the end of the panels; row: a multiple of panel_step().
void pack_rows(const float* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k,
               MatmulPrecision precision, float* panels);
void pack_rows(const double* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k,
               MatmulPrecision precision, double* panels);

// One product of a sum: a (m, k), rows a_stride apart, times panels of k rows.
template <class T>
struct PanelFactor {
  const T* a;
  int64_t a_stride, k;  // k > 0
  const T* panels;
};

// Numbers of room that panel_product takes for m rows: none where it reads a as it lies.
template <class T>
int64_t product_room(int64_t m, MatmulPrecision precision);

// Rows that panel_product takes at a time: whole ones where the number of its rows is a multiple.
int64_t product_row_step();

// c = the sum of all products, or c += it. c: (m, n), rows c_stride apart. room: aligned to 64 bytes.
void panel_product(std::span<const PanelFactor<float>> factors, int64_t m, int64_t n, bool accumulate,
                   float* c, int64_t c_stride, MatmulPrecision precision, float* room);
void panel_product(std::span<const PanelFactor<double>> factors, int64_t m, int64_t n, bool accumulate,
                   double* c, int64_t c_stride, MatmulPrecision precision, double* room);

}  // namespace lora::ops::cpu
