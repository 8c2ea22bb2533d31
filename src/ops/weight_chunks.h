// The rows of some frozen matrices that all read the same input, as dense numbers, so many at a time as stay in a
// last-level cache. All threads unpack a chunk; then each multiplies rows of its own with it.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/profile.h"
#include "ops/rows.h"
#include "weights/frozen_matrix.h"

namespace lora::ops {

// Numbers of packed matrices that are unpacked together: 8 MiB in float.
constexpr int64_t kChunkNumbers = int64_t{1} << 21;

// Rows [begin, end) of one of the matrices.
template <class T>
struct WeightRows {
  size_t matrix;
  int64_t begin, end;
  const T* data;   // the first of them
  int64_t stride;  // between rows
};

template <class T>
struct WeightChunk {
  std::vector<WeightRows<T>> parts;
  bool first = true, last = true;
};

// Unpacks what is packed of a chunk into `room`, all parts at once.
template <class T>
void unpack(const std::vector<const FrozenMatrix*>& matrices, WeightChunk<T>& chunk, T* room) {
  // each(part, its matrix, number of its first row among the rows of all, where that row goes)
  const auto each_packed = [&](const auto& each) {
    int64_t first = 0;
    T* to = room;
    for (WeightRows<T>& part : chunk.parts) {
      const FrozenMatrix& W = *matrices[part.matrix];
      if (!W.is_packed()) continue;
      each(part, W, first, to);
      first += part.end - part.begin;
      to += (part.end - part.begin) * W.cols();
    }
    return first;
  };
  int64_t widest = 1;
  const int64_t rows = each_packed([&](WeightRows<T>& part, const FrozenMatrix& W, int64_t, T* to) {
    part.data = to;
    widest = std::max(widest, W.cols());
  });
  if (rows == 0) return;
  const ProfilePart profile("unpack");
  for_rows(rows, widest, [&](int64_t from, int64_t until) {
    each_packed([&](const WeightRows<T>& part, const FrozenMatrix& W, int64_t first, T* to) {
      const int64_t begin = std::max<int64_t>(0, from - first),
                    end = std::min(part.end - part.begin, until - first);
      if (begin < end) W.unpack(part.begin + begin, part.begin + end, to + begin * W.cols());
    });
  });
}

// body(chunk) over all rows of all `matrices`, in order; once, with an empty chunk, when there are none.
template <class T, class Body>
void for_weight_chunks(const std::vector<const FrozenMatrix*>& matrices, const Body& body) {
  std::vector<WeightChunk<T>> chunks(1);
  std::vector<int64_t> numbers(1);  // to unpack, of each chunk
  for (size_t m = 0; m < matrices.size(); ++m) {
    const FrozenMatrix& W = *matrices[m];
    if (!W.is_packed()) {
      chunks.back().parts.push_back({m, 0, W.rows(), W.dense().const_data_ptr<T>(), W.dense().stride(0)});
      continue;
    }
    const int64_t cols = std::max<int64_t>(W.cols(), 1);
    for (int64_t begin = 0, end = 0; begin < W.rows(); begin = end) {
      int64_t room = (kChunkNumbers - numbers.back()) / cols;
      if (room < 1 && numbers.back() > 0) {
        chunks.emplace_back();
        numbers.push_back(0);
        room = kChunkNumbers / cols;
      }
      end = std::min(W.rows(), begin + std::max<int64_t>(room, 1));
      chunks.back().parts.push_back({m, begin, end, nullptr, W.cols()});
      numbers.back() += (end - begin) * W.cols();
    }
  }
  const at::Tensor buffer =
      at::empty({std::ranges::max(numbers)}, at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value));
  for (size_t c = 0; c < chunks.size(); ++c) {
    WeightChunk<T>& chunk = chunks[c];
    chunk.first = c == 0;
    chunk.last = c + 1 == chunks.size();
    unpack(matrices, chunk, buffer.data_ptr<T>());
    body(std::as_const(chunk));
  }
}

}  // namespace lora::ops
