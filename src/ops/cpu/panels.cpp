// See panels.h. The body is compiled once for each instruction set that Highway knows for this processor family.
#include "ops/cpu/panels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/panels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, as Highway asks.
#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include <algorithm>
#include <vector>

#include "ops/cpu/pairs.h"
#include "ops/cpu/register_tile-inl.h"
#include "ops/cpu/tiles.h"
#include "ops/cpu/turn-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lora::ops::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Rows of a panel that a tile reads at a time: with as many numbers of kRows rows they stay in the nearest caches.
constexpr int64_t kDepth = 1024;
// Products that are added up in registers before the sum is added to c: rounding errors grow with the length of such a run.
constexpr int64_t kRun = 288;
// The nearest cache is told to fetch the panel so many rows ahead of where it is read.
constexpr int64_t kAhead = 16;

template <class T>
int64_t Columns() {
  return kVectors * Lanes<T>();
}

// A product's part in one pass over c: its numbers of a, and its rows of the panel.
template <class T>
struct Slice {
  const T* a;
  int64_t a_stride, depth;
  const T* panel;
  const T* next;  // the same rows of the panel that comes after it
};

// A run of products: c (M rows, a panel wide) = or += a (M, depth) times the panel's rows. `next`: what is fetched meanwhile.
template <int M, class T>
HWY_INLINE void Run(const T* HWY_RESTRICT a, int64_t a_stride, const T* HWY_RESTRICT panel, int64_t depth,
                    const T* next, int64_t step, bool accumulate, T* HWY_RESTRICT c, int64_t c_stride) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = Lanes<T>();
  hn::Vec<decltype(d)> sums[M][kVectors];
  for (int i = 0; i < M; ++i)
    for (int v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  for (int64_t p = 0; p < depth; ++p, panel += kVectors * lanes, next += step) {
    hwy::Prefetch(next);
    for (int v = 0; v < kVectors; ++v) hwy::Prefetch(panel + (kAhead * kVectors + v) * lanes);
    hn::Vec<decltype(d)> w[kVectors];
    for (int v = 0; v < kVectors; ++v) w[v] = hn::LoadU(d, panel + v * lanes);
    for (int i = 0; i < M; ++i) {
      const auto number = hn::Set(d, a[i * a_stride + p]);
      for (int v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(number, w[v], sums[i][v]);
    }
  }
  for (int i = 0; i < M; ++i)
    for (int v = 0; v < kVectors; ++v) {
      T* place = c + i * c_stride + v * lanes;
      hn::StoreU(accumulate ? hn::Add(sums[i][v], hn::LoadU(d, place)) : sums[i][v], d, place);
    }
}

// M rows of c, of which `columns` columns exist.
template <int M, class T>
HWY_INLINE void Tile(const Slice<T>* slices, size_t count, int64_t tile, int64_t step, int64_t row,
                     bool accumulate, T* HWY_RESTRICT c, int64_t c_stride, int64_t columns) {
  HWY_ALIGN T edge[kRows * kVectors * hn::MaxLanes(hn::ScalableTag<T>())];
  const bool whole = columns == Columns<T>();
  T* to = whole ? c : edge;
  const int64_t stride = whole ? c_stride : Columns<T>();
  if (!whole && accumulate)
    for (int i = 0; i < M; ++i) std::copy_n(c + i * c_stride, columns, to + i * stride);
  for (size_t s = 0; s < count; ++s) {
    const Slice<T>& slice = slices[s];
    const int64_t runs = (slice.depth + kRun - 1) / kRun;
    for (int64_t run = 0; run < runs; ++run) {
      const int64_t begin = slice.depth * run / runs, end = slice.depth * (run + 1) / runs;
      Run<M>(slice.a + row * slice.a_stride + begin, slice.a_stride, slice.panel + begin * Columns<T>(),
             end - begin, slice.next + (tile * slice.depth + begin) * step, step, accumulate, to, stride);
      accumulate = true;
    }
  }
  if (!whole)
    for (int i = 0; i < M; ++i) std::copy_n(to + i * stride, columns, c + i * c_stride);
}

// `rows` rows, at most M.
template <int M, class T>
void TileOf(int64_t rows, const Slice<T>* slices, size_t count, int64_t tile, int64_t step, int64_t row,
            bool accumulate, T* c, int64_t c_stride, int64_t columns) {
  if constexpr (M > 0) {
    if (rows == M) return Tile<M>(slices, count, tile, step, row, accumulate, c, c_stride, columns);
    TileOf<M - 1>(rows, slices, count, tile, step, row, accumulate, c, c_stride, columns);
  }
}

template <class T>
void Product(std::span<const PanelFactor<T>> factors, int64_t m, int64_t n, bool accumulate, T* c,
             int64_t c_stride) {
  const int64_t width = Columns<T>(), tiles = (m + kRows - 1) / kRows;
  std::vector<Slice<T>> slices;
  for (int64_t j = 0; j < n; j += width) {
    bool begun = accumulate;
    const auto pass = [&] {
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t row = m * t / tiles, rows = m * (t + 1) / tiles - row;
        TileOf<kRows>(rows, slices.data(), slices.size(), t, (width + tiles - 1) / tiles, row, begun,
                      c + row * c_stride + j, c_stride, std::min(width, n - j));
      }
      begun = true;
      slices.clear();
    };
    int64_t depth = 0;
    for (const PanelFactor<T>& factor : factors) {
      const T* panel = factor.panels + j * factor.k;
      for (int64_t p = 0, length = 0; p < factor.k; p += length) {
        if (depth >= kDepth) {
          pass();
          depth = 0;
        }
        length = std::min(kDepth - depth, factor.k - p);
        // No short rest for a pass of its own.
        if (factor.k - p - length < kDepth / 4) length = factor.k - p;
        slices.push_back(
            {factor.a + p, factor.a_stride, length, panel + p * width, panel + factor.k * width + p * width});
        depth += length;
      }
    }
    pass();
  }
}

template <class T>
void Turn(const T* w, int64_t w_stride, int64_t rows, int64_t k, T scale, int64_t column, T* panels) {
  const int64_t width = Columns<T>();
  T* to = panels + column / width * width * k + column % width;
  Transpose(w, w_stride, rows, k, scale, to, width);
  for (int64_t p = 0, missing = Lanes<T>() - rows; missing > 0 && p < k; ++p)
    std::fill_n(to + p * width + rows, missing, T{0});
}

template <class T>
void Rows(const T* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k, T* panels) {
  const hn::ScalableTag<T> d;
  const int64_t width = Columns<T>(), whole = n / width * width, lanes = Lanes<T>();
  for (int64_t i = 0; i < rows; ++i, w += w_stride) {
    T* to = panels + (row + i) * width;
    for (int64_t j = 0; j < whole; j += width)
      for (int64_t v = 0; v < width; v += lanes) hn::StoreU(hn::LoadU(d, w + j + v), d, to + j * k + v);
    std::copy(w + whole, w + n, to + whole * k);
  }
}

int64_t RowStep() {
  return kRows;
}
int64_t ColumnsF() {
  return Columns<float>();
}
int64_t ColumnsD() {
  return Columns<double>();
}
int64_t LanesF() {
  return Lanes<float>();
}
int64_t LanesD() {
  return Lanes<double>();
}
void TurnF(const float* w, int64_t w_stride, int64_t rows, int64_t k, float scale, int64_t column,
           float* panels) {
  Turn(w, w_stride, rows, k, scale, column, panels);
}
void TurnD(const double* w, int64_t w_stride, int64_t rows, int64_t k, double scale, int64_t column,
           double* panels) {
  Turn(w, w_stride, rows, k, scale, column, panels);
}
void RowsF(const float* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k, float* panels) {
  Rows(w, w_stride, rows, n, row, k, panels);
}
void RowsD(const double* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k,
           double* panels) {
  Rows(w, w_stride, rows, n, row, k, panels);
}
void ProductF(std::span<const PanelFactor<float>> factors, int64_t m, int64_t n, bool accumulate, float* c,
              int64_t c_stride) {
  Product(factors, m, n, accumulate, c, c_stride);
}
void ProductD(std::span<const PanelFactor<double>> factors, int64_t m, int64_t n, bool accumulate, double* c,
              int64_t c_stride) {
  Product(factors, m, n, accumulate, c, c_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::ops::cpu {
namespace {

// Panel j is k rows of columns j * `columns` …, one row after the other.
int64_t numbers_side_by_side(int64_t k, int64_t n, int64_t columns) {
  return (n + columns - 1) / columns * columns * k;
}

// What multiplies floats of a precision, and lays them out.
enum class Way { kTiles, kPairs, kVectors };

Way way_of(MatmulPrecision precision) {
  if (tiles::available()) return Way::kTiles;
  return precision == MatmulPrecision::kMedium && pairs::available() ? Way::kPairs : Way::kVectors;
}

}  // namespace

HWY_EXPORT(RowStep);
HWY_EXPORT(ColumnsF);
HWY_EXPORT(ColumnsD);
HWY_EXPORT(LanesF);
HWY_EXPORT(LanesD);
HWY_EXPORT(TurnF);
HWY_EXPORT(TurnD);
HWY_EXPORT(RowsF);
HWY_EXPORT(RowsD);
HWY_EXPORT(ProductF);
HWY_EXPORT(ProductD);

template <>
int64_t panel_columns<float>(MatmulPrecision precision) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::kColumns;
    case Way::kPairs:
      return pairs::kColumns;
    default:
      return HWY_DYNAMIC_DISPATCH(ColumnsF)();
  }
}
template <>
int64_t panel_columns<double>(MatmulPrecision) {
  return HWY_DYNAMIC_DISPATCH(ColumnsD)();
}
template <>
int64_t panel_step<float>(MatmulPrecision precision) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::kColumns;
    case Way::kPairs:
      return pairs::kStep;
    default:
      return HWY_DYNAMIC_DISPATCH(LanesF)();
  }
}
template <>
int64_t panel_step<double>(MatmulPrecision) {
  return HWY_DYNAMIC_DISPATCH(LanesD)();
}
template <>
int64_t panel_numbers<float>(int64_t k, int64_t n, MatmulPrecision precision) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::panel_numbers(k, n, precision);
    case Way::kPairs:
      return pairs::panel_numbers(k, n);
    default:
      return numbers_side_by_side(k, n, HWY_DYNAMIC_DISPATCH(ColumnsF)());
  }
}
template <>
int64_t panel_numbers<double>(int64_t k, int64_t n, MatmulPrecision) {
  return numbers_side_by_side(k, n, HWY_DYNAMIC_DISPATCH(ColumnsD)());
}
void pack_turned(const float* w, int64_t w_stride, int64_t rows, int64_t k, float scale, int64_t column,
                 MatmulPrecision precision, float* panels) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::pack_turned(w, w_stride, rows, k, scale, column, precision, panels);
    case Way::kPairs:
      return pairs::pack_turned(w, w_stride, rows, k, scale, column, panels);
    default:
      HWY_DYNAMIC_DISPATCH(TurnF)(w, w_stride, rows, k, scale, column, panels);
  }
}
void pack_turned(const double* w, int64_t w_stride, int64_t rows, int64_t k, double scale, int64_t column,
                 MatmulPrecision, double* panels) {
  HWY_DYNAMIC_DISPATCH(TurnD)(w, w_stride, rows, k, scale, column, panels);
}
void pack_rows(const float* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k,
               MatmulPrecision precision, float* panels) {
  switch (way_of(precision)) {
    case Way::kTiles:
      return tiles::pack_rows(w, w_stride, rows, n, row, k, precision, panels);
    case Way::kPairs:
      return pairs::pack_rows(w, w_stride, rows, n, row, k, panels);
    default:
      HWY_DYNAMIC_DISPATCH(RowsF)(w, w_stride, rows, n, row, k, panels);
  }
}
void pack_rows(const double* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k,
               MatmulPrecision, double* panels) {
  HWY_DYNAMIC_DISPATCH(RowsD)(w, w_stride, rows, n, row, k, panels);
}
int64_t product_row_step() {
  return tiles::available() ? tiles::kTileRows : HWY_DYNAMIC_DISPATCH(RowStep)();
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
      HWY_DYNAMIC_DISPATCH(ProductF)(factors, m, n, accumulate, c, c_stride);
  }
}
void panel_product(std::span<const PanelFactor<double>> factors, int64_t m, int64_t n, bool accumulate,
                   double* c, int64_t c_stride, MatmulPrecision, double*) {
  HWY_DYNAMIC_DISPATCH(ProductD)(factors, m, n, accumulate, c, c_stride);
}

}  // namespace lora::ops::cpu
#endif
