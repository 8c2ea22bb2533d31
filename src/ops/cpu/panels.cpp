#include "ops/cpu/panels.h"

#include "ops/cpu/pairs.h"
#include "ops/cpu/tiles.h"
#include "ops/cpu/vector_panels.h"

namespace lora::ops::cpu {
namespace {

// What multiplies floats of a precision, and lays them out.
enum class Way { kTiles, kPairs, kVectors };

Way way_of(MatmulPrecision precision) {
  if (tiles::available()) return Way::kTiles;
  return precision == MatmulPrecision::kMedium && pairs::available() ? Way::kPairs : Way::kVectors;
}

}  // namespace

template <>
int64_t panel_columns<float>(MatmulPrecision precision) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::kColumns;
    case Way::kPairs:
      return pairs::kColumns;
    default:
      return vector_panels<float>().columns;
  }
}
template <>
int64_t panel_columns<double>(MatmulPrecision) {
  return vector_panels<double>().columns;
}
template <>
int64_t panel_step<float>(MatmulPrecision precision) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::kColumns;
    case Way::kPairs:
      return pairs::kStep;
    default:
      return vector_panels<float>().step;
  }
}
template <>
int64_t panel_step<double>(MatmulPrecision) {
  return vector_panels<double>().step;
}
template <>
int64_t panel_numbers<float>(int64_t k, int64_t n, MatmulPrecision precision) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::panel_numbers(k, n, precision);
    case Way::kPairs:
      return pairs::panel_numbers(k, n);
    default:
      return vector_panels<float>().numbers(k, n);
  }
}
template <>
int64_t panel_numbers<double>(int64_t k, int64_t n, MatmulPrecision) {
  return vector_panels<double>().numbers(k, n);
}
void pack_turned(const float* w, int64_t w_stride, int64_t rows, int64_t k, float scale, int64_t column,
                 MatmulPrecision precision, float* panels) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::pack_turned(w, w_stride, rows, k, scale, column, precision, panels);
    case Way::kPairs:
      return pairs::pack_turned(w, w_stride, rows, k, scale, column, panels);
    default:
      vector_panels<float>().pack_turned(w, w_stride, rows, k, scale, column, panels);
  }
}
void pack_turned(const double* w, int64_t w_stride, int64_t rows, int64_t k, double scale, int64_t column,
                 MatmulPrecision, double* panels) {
  vector_panels<double>().pack_turned(w, w_stride, rows, k, scale, column, panels);
}
void pack_rows(const float* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k,
               MatmulPrecision precision, float* panels) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::pack_rows(w, w_stride, rows, n, row, k, precision, panels);
    case Way::kPairs:
      return pairs::pack_rows(w, w_stride, rows, n, row, k, panels);
    default:
      vector_panels<float>().pack_rows(w, w_stride, rows, n, row, k, panels);
  }
}
void pack_rows(const double* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k,
               MatmulPrecision, double* panels) {
  vector_panels<double>().pack_rows(w, w_stride, rows, n, row, k, panels);
}
int64_t product_row_step() {
  return tiles::available() ? tiles::kTileRows : vector_panels<float>().rows;
}
template <>
int64_t product_room<float>(int64_t m, MatmulPrecision precision) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::room_numbers(m, precision);
    case Way::kPairs:
      return pairs::room_numbers(m);
    default:
      return 0;
  }
}
template <>
int64_t product_room<double>(int64_t, MatmulPrecision) {
  return 0;
}
void panel_product(std::span<const PanelFactor<float>> factors, int64_t m, int64_t n, bool accumulate,
                   float* c, int64_t c_stride, MatmulPrecision precision, float* room) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::product(factors, m, n, accumulate, c, c_stride, precision, room);
    case Way::kPairs:
      return pairs::product(factors, m, n, accumulate, c, c_stride, room);
    default:
      vector_panels<float>().product(factors, m, n, accumulate, c, c_stride);
  }
}
void panel_product(std::span<const PanelFactor<double>> factors, int64_t m, int64_t n, bool accumulate,
                   double* c, int64_t c_stride, MatmulPrecision, double*) {
  vector_panels<double>().product(factors, m, n, accumulate, c, c_stride);
}

}  // namespace lora::ops::cpu
