#include "weights/frozen_matrix.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "weights/dequantize.h"

namespace lora {

struct FrozenMatrix::Packed {
  int64_t rows = 0, cols = 0;
  // Of a file:
  DType dtype = DType::kF32;
  std::span<const std::byte> blocks{};
  size_t row_bytes = 0;
  std::shared_ptr<const MappedFile> passing{};
  int64_t head_rows = 0;  // above 0: rows of so many a head lie in GGUF's order
  // In 4 bits:
  std::optional<FourBitWeight> four_bit{};
  std::shared_ptr<const SpillFile> codes{};  // or null: in four_bit
  uint64_t codes_begin = 0, codes_size = 0;

  // Where row `row` of Hugging Face's order lies: (head, which half, pair) there is (head, pair, which of the two) here.
  int64_t stored_row(int64_t row) const {
    if (head_rows == 0) return row;
    const int64_t half = head_rows / 2, head = row / head_rows, place = row % head_rows;
    return head * head_rows + place % half * 2 + place / half;
  }

  // Rows begin … end - 1 of the file; in `room` where they are not to stay in memory.
  std::span<const std::byte> stored_rows(int64_t begin, int64_t end, std::vector<std::byte>& room) const {
    const auto rows_there =
        blocks.subspan(static_cast<size_t>(begin) * row_bytes, static_cast<size_t>(end - begin) * row_bytes);
    if (!passing) return rows_there;
    room.resize(rows_there.size());
    passing->read(rows_there.data(), room);
    return room;
  }

  void unpack(int64_t begin, int64_t end, float* out) const {
    const std::span<float> to(out, static_cast<size_t>((end - begin) * cols));
    if (begin == end) return;
    if (four_bit && !codes) return four_bit->dequantize_rows(begin, end, to);
    if (passing && dtype == DType::kF32 && head_rows == 0)
      return passing->read(blocks.data() + static_cast<size_t>(begin) * row_bytes,
                           std::as_writable_bytes(to));
    std::vector<std::byte> room;
    if (codes) {
      const auto first_byte = static_cast<size_t>(begin * cols / 2),
                 last_byte = static_cast<size_t>((end * cols + 1) / 2);
      room.resize(last_byte - first_byte);
      codes->read(codes_begin + first_byte, room);
      return four_bit->dequantize(begin * cols, to,
                                  {reinterpret_cast<const uint8_t*>(room.data()), room.size()}, first_byte);
    }
    if (head_rows == 0) return dequantize(dtype, stored_rows(begin, end, room), to);
    int64_t first = rows, last = 0;
    for (int64_t row = begin; row < end; ++row) {
      first = std::min(first, stored_row(row));
      last = std::max(last, stored_row(row));
    }
    const auto stored = stored_rows(first, last + 1, room);
    for (int64_t row = begin; row < end; ++row)
      dequantize(dtype, stored.subspan(static_cast<size_t>(stored_row(row) - first) * row_bytes, row_bytes),
                 to.subspan(static_cast<size_t>((row - begin) * cols), static_cast<size_t>(cols)));
  }
};

namespace {

constexpr int64_t kGrain = 1 << 15;  // numbers that a thread takes at least

[[noreturn]] void refuse(const std::string& where, const std::string& found, const std::string& expected) {
  throw Error::input({.where = where,
                      .found = found,
                      .expected = expected,
                      .fix = "Weights and configuration do not belong together."});
}

}  // namespace

FrozenMatrix::FrozenMatrix(at::Tensor dense) : dense_(std::move(dense)) {}

FrozenMatrix FrozenMatrix::of_file(const TensorInfo& info, int64_t rope_heads,
                                   std::shared_ptr<const MappedFile> passing) {
  const std::string where = "tensor " + info.name;
  if (info.shape.size() != 2) refuse(where, "it has the shape " + info.shape_text(), "a matrix");
  if (!can_dequantize(info.dtype))
    throw Error::input(
        {.where = where,
         .found = "weights of type " + std::string(dtype_name(info.dtype)) + " cannot be computed with",
         .fix = "Use a file with common types, e.g. F16, Q8_0 or Q4_K_M."});
  auto packed = std::make_shared<Packed>();
  packed->rows = info.shape[0];
  packed->cols = info.shape[1];
  packed->dtype = info.dtype;
  packed->blocks = info.bytes;
  packed->passing = std::move(passing);
  packed->row_bytes = packed->rows == 0 ? 0 : info.bytes.size() / static_cast<size_t>(packed->rows);
  if (rope_heads > 0) {
    packed->head_rows = packed->rows / rope_heads;
    if (packed->rows % rope_heads != 0 || packed->head_rows % 2 != 0)
      refuse(where, std::to_string(packed->rows) + " rows and " + std::to_string(rope_heads) + " heads",
             "rows that are a multiple of heads, with an even head_dim");
  }
  FrozenMatrix matrix;
  matrix.packed_ = std::move(packed);
  return matrix;
}

FrozenMatrix FrozenMatrix::of_four_bit(FourBitWeight weight, const std::shared_ptr<SpillFile>& passing) {
  if (weight.shape.size() != 2)
    refuse("a weight in 4 bits", "it has " + std::to_string(weight.shape.size()) + " dimensions", "2");
  auto packed = std::make_shared<Packed>();
  packed->rows = weight.shape[0];
  packed->cols = weight.shape[1];
  if (passing) {
    packed->codes_begin = passing->append(std::as_bytes(std::span(weight.packed)));
    packed->codes_size = std::exchange(weight.packed, {}).size();
    packed->codes = passing;
  }
  packed->four_bit = std::move(weight);
  FrozenMatrix matrix;
  matrix.packed_ = std::move(packed);
  return matrix;
}

bool FrozenMatrix::is_quantized() const {
  return packed_ && (packed_->four_bit || dtype_is_quantized(packed_->dtype));
}

int64_t FrozenMatrix::rows() const {
  return packed_ ? packed_->rows : dense_.size(0);
}

int64_t FrozenMatrix::cols() const {
  return packed_ ? packed_->cols : dense_.size(1);
}

size_t FrozenMatrix::bytes() const {
  if (!packed_) return dense_.nbytes();
  return packed_->four_bit ? packed_->four_bit->bytes() + packed_->codes_size : packed_->blocks.size();
}

std::string FrozenMatrix::type() const {
  if (!packed_) {
    switch (dense_.scalar_type()) {
      case at::kDouble:
        return "F64";
      case at::kHalf:
        return "F16";
      case at::kBFloat16:
        return "BF16";
      default:
        return "F32";
    }
  }
  return std::string(packed_->four_bit ? four_bit_name(packed_->four_bit->type) : dtype_name(packed_->dtype));
}

void FrozenMatrix::unpack(int64_t begin, int64_t end, float* out) const {
  packed_->unpack(begin, end, out);
}

void FrozenMatrix::unpack(int64_t begin, int64_t end, double* out) const {
  std::vector<float> row(static_cast<size_t>(packed_->cols));
  for (int64_t r = begin; r < end; ++r) {
    packed_->unpack(r, r + 1, row.data());
    std::copy(row.begin(), row.end(), out + (r - begin) * packed_->cols);
  }
}

at::Tensor FrozenMatrix::gather(const at::Tensor& ids, at::ScalarType dtype) const {
  if (!packed_) return dense_.index_select(0, ids.to(dense_.device())).to(dtype);
  const at::Tensor places = ids.to(at::kLong).contiguous();
  const int64_t* id = places.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < places.numel(); ++i)
    TORCH_CHECK_INDEX(id[i] >= 0 && id[i] < packed_->rows, "row ", id[i], " of ", packed_->rows);
  const int64_t width = packed_->cols;
  at::Tensor out = at::empty({places.numel(), width}, at::TensorOptions().dtype(at::kFloat));
  float* to = out.mutable_data_ptr<float>();
  at::parallel_for(0, places.numel(), std::max<int64_t>(1, kGrain / std::max<int64_t>(width, 1)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) packed_->unpack(id[i], id[i] + 1, to + i * width);
                   });
  return dtype == at::kFloat ? out : out.to(dtype);
}

at::Tensor FrozenMatrix::to_dense(at::ScalarType dtype) const {
  if (!packed_) return dense_.to(dtype);
  const int64_t width = packed_->cols;
  at::Tensor out = at::empty({packed_->rows, width}, at::TensorOptions().dtype(at::kFloat));
  float* to = out.mutable_data_ptr<float>();
  at::parallel_for(0, packed_->rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(width, 1)),
                   [&](int64_t begin, int64_t end) { packed_->unpack(begin, end, to + begin * width); });
  return dtype == at::kFloat ? out : out.to(dtype);
}

FrozenMatrix FrozenMatrix::on(const c10::Device& device) const {
  at::ScalarType exact = at::kFloat;
  if (!packed_) {
    exact = dense_.scalar_type();
  } else {
    const DType type = packed_->four_bit ? packed_->four_bit->dtype : packed_->dtype;
    if (type == DType::kBF16) exact = at::kBFloat16;
    if (type == DType::kF16) exact = at::kHalf;
  }
  FrozenMatrix moved = to_dense(exact).to(device);
  moved.precision_ = precision_;
  return moved;
}

}  // namespace lora
