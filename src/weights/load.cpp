#include "weights/load.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>

#include "base/checked.h"
#include "weights/dequantize.h"

namespace lora {
namespace {

// Elements that a thread takes at a time; a multiple of every block size, and of a cache line of floats.
constexpr int64_t kGrain = 1 << 16;

// The type of LibTorch that has the very bytes of `dtype`.
std::optional<at::ScalarType> same_type(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return at::kDouble;
    case DType::kF32:
      return at::kFloat;
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    case DType::kI8:
      return at::kChar;
    case DType::kI16:
      return at::kShort;
    case DType::kI32:
      return at::kInt;
    case DType::kI64:
      return at::kLong;
    case DType::kU8:
      return at::kByte;
    case DType::kBool:
      return at::kBool;
    default:
      return std::nullopt;
  }
}

at::Tensor empty_tensor(const TensorInfo& info, at::ScalarType dtype) {
  try {
    return at::empty(info.shape, at::TensorOptions().dtype(dtype));
  } catch (const std::exception&) {
    throw Error::machine({.where = "tensor " + info.name,
                          .found = "no memory for its " + info.shape_text() + " elements",
                          .fix = "Close other programs, or use a smaller model."});
  }
}

// Whole blocks of elements, shared among threads: work(first element, number of elements).
template <typename Work>
void for_elements(int64_t numel, Work work) {
  const int64_t chunks = (numel + kGrain - 1) / kGrain;
  at::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    work(begin * kGrain, std::min(numel, end * kGrain) - begin * kGrain);
  });
}

at::Tensor swap_within_heads(const at::Tensor& w, int64_t n_heads, bool from_gguf) {
  const int64_t rows = w.dim() > 0 ? w.size(0) : 0;
  if (w.dim() < 1 || w.dim() > 2 || n_heads <= 0 || rows % n_heads != 0 || rows / n_heads % 2 != 0)
    throw Error::input({.where = "RoPE permutation",
                        .found = std::to_string(rows) + " rows and " + std::to_string(n_heads) + " heads",
                        .expected = "rows that are a multiple of heads, with an even head_dim"});
  const int64_t half = rows / n_heads / 2;
  const int64_t in = w.dim() == 2 ? w.size(1) : 1;
  // GGUF: (head, pair, which of the two). Hugging Face: (head, which half, pair).
  const at::Tensor split = from_gguf ? w.reshape({n_heads, half, 2, in}) : w.reshape({n_heads, 2, half, in});
  return split.transpose(1, 2).contiguous().view(w.sizes());
}

}  // namespace

at::Tensor load_tensor(const TensorInfo& info, at::ScalarType dtype) {
  if (same_type(info.dtype) == dtype) {
    at::Tensor out = empty_tensor(info, dtype);
    auto* to = static_cast<std::byte*>(out.data_ptr());
    const auto size = static_cast<int64_t>(info.bytes.size());
    for_elements(size,
                 [&](int64_t first, int64_t n) { std::memcpy(to + first, info.bytes.data() + first, n); });
    return out;
  }
  const bool floating =
      dtype == at::kFloat || dtype == at::kDouble || dtype == at::kHalf || dtype == at::kBFloat16;
  if (!can_dequantize(info.dtype) || !floating)
    throw Error::input({.where = "tensor " + info.name,
                        .found = "weights of type " + std::string(dtype_name(info.dtype)) +
                                 " cannot be loaded as " + c10::toString(dtype),
                        .fix = "Use a file with common types, e.g. F16, Q8_0 or Q4_K_M."});
  at::Tensor out = empty_tensor(info, at::kFloat);
  auto* to = out.mutable_data_ptr<float>();
  const DTypeLayout layout = dtype_layout(info.dtype);
  for_elements(info.numel(), [&](int64_t first, int64_t n) {
    const size_t begin = static_cast<size_t>(first) / layout.block_size * layout.block_bytes;
    const size_t size = static_cast<size_t>(n) / layout.block_size * layout.block_bytes;
    dequantize(info.dtype, info.bytes.subspan(begin, size), std::span(to + first, static_cast<size_t>(n)));
  });
  return dtype == at::kFloat ? out : out.to(dtype);
}

at::Tensor undo_rope_permutation(const at::Tensor& w, int64_t n_heads) {
  return swap_within_heads(w, n_heads, true);
}
at::Tensor redo_rope_permutation(const at::Tensor& w, int64_t n_heads) {
  return swap_within_heads(w, n_heads, false);
}

}  // namespace lora
