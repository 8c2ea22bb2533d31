// The products of panels.h on vectors of floats or doubles, which any processor has (Google Highway): all bits of each number.
#pragma once

#include <cstdint>
#include <span>

#include "ops/cpu/panels.h"

namespace lora::ops::cpu {

// Of one instruction set.
template <class T>
struct VectorPanels {
  int64_t columns;  // of a panel: k rows of them, one after the other
  int64_t step;     // columns that are packed at a time
  int64_t rows;     // of c that are summed up at a time
  // See panels.h.
  void (*pack_turned)(const T* w, int64_t w_stride, int64_t rows, int64_t k, T scale, int64_t column,
                      T* panels);
  void (*pack_rows)(const T* w, int64_t w_stride, int64_t rows, int64_t n, int64_t row, int64_t k, T* panels);
  void (*product)(std::span<const PanelFactor<T>> factors, int64_t m, int64_t n, bool accumulate, T* c,
                  int64_t c_stride);

  int64_t numbers(int64_t k, int64_t n) const { return (n + columns - 1) / columns * columns * k; }
};

// Those for this processor. T: float, double.
template <class T>
const VectorPanels<T>& vector_panels();

}  // namespace lora::ops::cpu
