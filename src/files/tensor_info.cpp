#include "files/tensor_info.h"

#include <array>

#include "base/checked.h"

namespace lora {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  uint32_t block_size, block_bytes;
  int ggml;  // -1: no such type in GGUF
  bool in_safetensors;
};

// In the order of the enum (checked below). Numbers: ggml.h's enum ggml_type and ggml-common.h's block structs;
// names: the safetensors format description.
constexpr std::array kRows = {
    Row{DType::kF64, "F64", 1, 8, 28, true},
    Row{DType::kF32, "F32", 1, 4, 0, true},
    Row{DType::kF16, "F16", 1, 2, 1, true},
    Row{DType::kBF16, "BF16", 1, 2, 30, true},
    Row{DType::kF8E4M3, "F8_E4M3", 1, 1, -1, true},
    Row{DType::kF8E5M2, "F8_E5M2", 1, 1, -1, true},
    Row{DType::kI8, "I8", 1, 1, 24, true},
    Row{DType::kI16, "I16", 1, 2, 25, true},
    Row{DType::kI32, "I32", 1, 4, 26, true},
    Row{DType::kI64, "I64", 1, 8, 27, true},
    Row{DType::kU8, "U8", 1, 1, -1, true},
    Row{DType::kU16, "U16", 1, 2, -1, true},
    Row{DType::kU32, "U32", 1, 4, -1, true},
    Row{DType::kU64, "U64", 1, 8, -1, true},
    Row{DType::kBool, "BOOL", 1, 1, -1, true},
    Row{DType::kQ4_0, "Q4_0", 32, 18, 2, false},
    Row{DType::kQ4_1, "Q4_1", 32, 20, 3, false},
    Row{DType::kQ5_0, "Q5_0", 32, 22, 6, false},
    Row{DType::kQ5_1, "Q5_1", 32, 24, 7, false},
    Row{DType::kQ8_0, "Q8_0", 32, 34, 8, false},
    Row{DType::kQ8_1, "Q8_1", 32, 36, 9, false},
    Row{DType::kQ2_K, "Q2_K", 256, 84, 10, false},
    Row{DType::kQ3_K, "Q3_K", 256, 110, 11, false},
    Row{DType::kQ4_K, "Q4_K", 256, 144, 12, false},
    Row{DType::kQ5_K, "Q5_K", 256, 176, 13, false},
    Row{DType::kQ6_K, "Q6_K", 256, 210, 14, false},
    Row{DType::kQ8_K, "Q8_K", 256, 292, 15, false},
    Row{DType::kIQ1_S, "IQ1_S", 256, 50, 19, false},
    Row{DType::kIQ1_M, "IQ1_M", 256, 56, 29, false},
    Row{DType::kIQ2_XXS, "IQ2_XXS", 256, 66, 16, false},
    Row{DType::kIQ2_XS, "IQ2_XS", 256, 74, 17, false},
    Row{DType::kIQ2_S, "IQ2_S", 256, 82, 22, false},
    Row{DType::kIQ3_XXS, "IQ3_XXS", 256, 98, 18, false},
    Row{DType::kIQ3_S, "IQ3_S", 256, 110, 21, false},
    Row{DType::kIQ4_NL, "IQ4_NL", 32, 18, 20, false},
    Row{DType::kIQ4_XS, "IQ4_XS", 256, 136, 23, false},
    Row{DType::kTQ1_0, "TQ1_0", 256, 54, 34, false},
    Row{DType::kTQ2_0, "TQ2_0", 256, 66, 35, false},
    Row{DType::kMXFP4, "MXFP4", 32, 17, 39, false},
};

constexpr bool rows_follow_the_enum() {
  for (size_t i = 0; i < kRows.size(); ++i)
    if (static_cast<size_t>(kRows[i].dtype) != i) return false;
  return static_cast<size_t>(DType::kMXFP4) + 1 == kRows.size();
}
static_assert(rows_follow_the_enum());

const Row& row_of(DType dtype) {
  return kRows.at(static_cast<size_t>(dtype));
}

}  // namespace

std::string_view dtype_name(DType dtype) {
  return row_of(dtype).name;
}

DTypeLayout dtype_layout(DType dtype) {
  return {row_of(dtype).block_size, row_of(dtype).block_bytes};
}

bool dtype_is_quantized(DType dtype) {
  return row_of(dtype).block_size > 1;
}

std::optional<uint32_t> ggml_type_of(DType dtype) {
  const int number = row_of(dtype).ggml;
  return number < 0 ? std::nullopt : std::optional(static_cast<uint32_t>(number));
}

std::optional<DType> dtype_of_ggml(uint32_t ggml_type) {
  for (const Row& row : kRows)
    if (row.ggml >= 0 && static_cast<uint32_t>(row.ggml) == ggml_type) return row.dtype;
  return std::nullopt;
}

std::optional<std::string_view> safetensors_name_of(DType dtype) {
  return row_of(dtype).in_safetensors ? std::optional(row_of(dtype).name) : std::nullopt;
}

std::optional<DType> dtype_of_safetensors(std::string_view name) {
  for (const Row& row : kRows)
    if (row.in_safetensors && row.name == name) return row.dtype;
  return std::nullopt;
}

int64_t TensorInfo::numel() const {
  return checked_numel(shape, name);
}

std::string TensorInfo::shape_text() const {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

int64_t checked_numel(std::span<const int64_t> shape, std::string_view where) {
  uint64_t product = 1;  // of the sizes that are not zero: strides are products of those too
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0)
      throw Error::input(
          {.where = std::string(where), .found = "a dimension is negative: " + std::to_string(size)});
    if (size == 0)
      empty = true;
    else
      product = checked_mul(product, static_cast<uint64_t>(size), where);
  }
  const int64_t numel = checked_int64(product, where);
  return empty ? 0 : numel;
}

uint64_t tensor_bytes(DType dtype, std::span<const int64_t> shape, std::string_view where) {
  const DTypeLayout layout = dtype_layout(dtype);
  const auto numel = static_cast<uint64_t>(checked_numel(shape, where));
  const int64_t row = shape.empty() ? 1 : shape.back();
  if (row % layout.block_size != 0)
    throw Error::input({.where = std::string(where),
                        .found = "a row of " + std::to_string(row) + " elements cannot be stored as " +
                                 std::string(dtype_name(dtype)),
                        .expected = "a multiple of " + std::to_string(layout.block_size)});
  // Checked for the product without zeros too: TensorInfo::bytes must be addressable.
  return checked_mul(numel / layout.block_size, layout.block_bytes, where);
}

}  // namespace lora
