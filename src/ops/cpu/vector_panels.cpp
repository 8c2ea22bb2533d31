// See vector_panels.h. The body is compiled once for each instruction set that Highway knows for this processor family.
#include "ops/cpu/vector_panels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/vector_panels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, as Highway asks.
#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include <algorithm>
#include <vector>

#include "ops/cpu/register_tile-inl.h"
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

template <class T>
const VectorPanels<T>& PanelKernels() {
  static const VectorPanels<T> kernels{.columns = Columns<T>(),
                                       .step = Lanes<T>(),
                                       .rows = kRows,
                                       .pack_turned = Turn<T>,
                                       .pack_rows = Rows<T>,
                                       .product = Product<T>};
  return kernels;
}
// Highway dispatches plain functions, not templates.
const VectorPanels<float>& VectorPanelsF() {
  return PanelKernels<float>();
}
const VectorPanels<double>& VectorPanelsD() {
  return PanelKernels<double>();
}

}  // namespace HWY_NAMESPACE
}  // namespace lora::ops::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lora::ops::cpu {

HWY_EXPORT(VectorPanelsF);
HWY_EXPORT(VectorPanelsD);

template <>
const VectorPanels<float>& vector_panels<float>() {
  return HWY_DYNAMIC_DISPATCH(VectorPanelsF)();
}
template <>
const VectorPanels<double>& vector_panels<double>() {
  return HWY_DYNAMIC_DISPATCH(VectorPanelsD)();
}

}  // namespace lora::ops::cpu
#endif  // HWY_ONCE
