// The rows of some frozen matrices that read or give the same rows of numbers, laid out in panels for cpu::panel_product, so
// many at a time as stay in a last-level cache. All threads unpack a chunk; then each multiplies rows of its own with it.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/profile.h"
#include "ops/cpu/panels.h"
#include "ops/row_blocks.h"
#include "weights/frozen_matrix.h"

namespace lora::ops {

// Numbers that are laid out together: 8 MiB in float.
constexpr int64_t kPanelNumbers = int64_t{1} << 21;

// Each thread's room for products with blocks of the rows of x.
template <class T>
at::Tensor product_rooms(const at::Tensor& x, MatmulPrecision precision, int64_t shares = 1) {
  return at::empty(
      {row_workers(x.size(0)) * shares, std::max<int64_t>(1, cpu::product_room<T>(kBlockRows, precision))},
      x.options());
}

template <class T>
T* room_of(const at::Tensor& rooms, const RowBlock& block) {
  return rooms.data_ptr<T>() + block.thread * rooms.stride(0);
}

// What the columns of the panels are: rows of the matrix, for x W^T, or its columns, for dy W.
enum class PanelsOf { kRows, kColumns };

// Rows [begin, end) of one of the matrices: panels of `cols` rows, or of end - begin. begin: a multiple of panel_columns.
template <class T>
struct WeightPart {
  size_t matrix;
  int64_t begin, end;
  int64_t place;  // of its panels in the room of the chunk
  T* panels = nullptr;
};

template <class T>
struct WeightPanels {
  std::vector<WeightPart<T>> parts;
  MatmulPrecision precision = MatmulPrecision::kHighest;
  bool first = true, last = true;
};

// Cuts all rows of `matrices` into chunks, whose panels are not there yet. largest: numbers of the largest chunk.
template <class T>
std::vector<WeightPanels<T>> cut_into_chunks(const std::vector<const FrozenMatrix*>& matrices,
                                             PanelsOf columns, MatmulPrecision precision, int64_t& largest) {
  std::vector<WeightPanels<T>> chunks(1);
  int64_t numbers = 0;
  largest = 0;
  for (size_t m = 0; m < matrices.size(); ++m) {
    const int64_t rows = matrices[m]->rows(), cols = matrices[m]->cols(),
                  step = cpu::panel_columns<T>(precision);
    const auto taken = [&](int64_t n) {
      return columns == PanelsOf::kRows ? cpu::panel_numbers<T>(cols, n, precision)
                                        : cpu::panel_numbers<T>(n, cols, precision);
    };
    for (int64_t begin = 0, end = 0; begin < rows; begin = end) {
      int64_t steps = (kPanelNumbers - numbers) / std::max<int64_t>(taken(step), 1);
      if (steps < 1 && numbers > 0) {
        chunks.emplace_back();
        numbers = 0;
        steps = kPanelNumbers / std::max<int64_t>(taken(step), 1);
      }
      end = std::min(rows, begin + std::max<int64_t>(steps, 1) * step);
      chunks.back().parts.push_back({m, begin, end, numbers});
      numbers += taken(end - begin);
      largest = std::max(largest, numbers);
    }
  }
  return chunks;
}

// Rows of numbers, `stride` apart.
template <class T>
struct PlainRows {
  const T* data;
  int64_t stride;
};

// Rows begin … end - 1 of W: where they lie, or unpacked into `room`.
template <class T>
PlainRows<T> plain_rows(const FrozenMatrix& W, int64_t begin, int64_t end, std::vector<T>& room) {
  if (!W.is_packed()) {
    const int64_t stride = W.dense().stride(0);
    return {W.dense().template const_data_ptr<T>() + begin * stride, stride};
  }
  room.resize(static_cast<size_t>((end - begin) * W.cols()));
  W.unpack(begin, end, room.data());
  return {room.data(), W.cols()};
}

// Lays out rows begin … end - 1 of W, of one part.
template <class T>
void lay_out(const FrozenMatrix& W, const WeightPart<T>& part, PanelsOf columns, MatmulPrecision precision,
             int64_t begin, int64_t end, std::vector<T>& room) {
  const int64_t cols = W.cols();
  const PlainRows<T> rows = plain_rows(W, begin, end, room);
  if (columns == PanelsOf::kRows)
    return cpu::pack_turned(rows.data, rows.stride, end - begin, cols, T{1}, begin - part.begin, precision,
                            part.panels);
  cpu::pack_rows(rows.data, rows.stride, end - begin, cols, begin - part.begin, part.end - part.begin,
                 precision, part.panels);
}

template <class T>
void lay_out(const std::vector<const FrozenMatrix*>& matrices, const WeightPanels<T>& chunk,
             PanelsOf columns) {
  const ProfilePart profile("unpack");
  const int64_t step = cpu::panel_step<T>(chunk.precision);
  std::vector<int64_t> first{0};  // of each part, among the steps of all
  int64_t widest = 1;
  for (const WeightPart<T>& part : chunk.parts) {
    first.push_back(first.back() + (part.end - part.begin + step - 1) / step);
    widest = std::max(widest, matrices[part.matrix]->cols());
  }
  // For fewer numbers another thread costs more than it saves.
  const int64_t steps = first.back(), piece = std::max<int64_t>(1, 32768 / (step * widest));
  std::vector<std::vector<T>> rooms(static_cast<size_t>(at::get_num_threads()));
  deal((steps + piece - 1) / piece, [&](int64_t which, int64_t thread) {
    const int64_t from = which * piece, until = std::min(from + piece, steps);
    for (size_t p = 0; p < chunk.parts.size(); ++p) {
      const WeightPart<T>& part = chunk.parts[p];
      for (int64_t i = std::max(from, first[p]); i < std::min(until, first[p + 1]); ++i) {
        const int64_t begin = part.begin + (i - first[p]) * step;
        lay_out(*matrices[part.matrix], part, columns, chunk.precision, begin,
                std::min(begin + step, part.end), rooms[static_cast<size_t>(thread)]);
      }
    }
  });
}

// The precision that products with all of them have together: the highest that one of them asks for.
inline MatmulPrecision precision_of(const std::vector<const FrozenMatrix*>& matrices) {
  if (matrices.empty()) return MatmulPrecision::kHighest;
  return std::ranges::min(matrices, {}, &FrozenMatrix::precision)->precision();
}

// body(chunk) over all rows of all `matrices`, in order; once, with an empty chunk, when there are none.
template <class T, class Body>
void for_weight_panels(const std::vector<const FrozenMatrix*>& matrices, PanelsOf columns, const Body& body) {
  int64_t largest = 0;
  const MatmulPrecision precision = precision_of(matrices);
  std::vector<WeightPanels<T>> chunks = cut_into_chunks<T>(matrices, columns, precision, largest);
  const at::Tensor buffer =
      at::empty({largest}, at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value));
  for (size_t c = 0; c < chunks.size(); ++c) {
    WeightPanels<T>& chunk = chunks[c];
    chunk.precision = precision;
    chunk.first = c == 0;
    chunk.last = c + 1 == chunks.size();
    for (WeightPart<T>& part : chunk.parts) part.panels = buffer.data_ptr<T>() + part.place;
    if (!chunk.parts.empty()) lay_out(matrices, chunk, columns);
    body(std::as_const(chunk));
  }
}

}  // namespace lora::ops
