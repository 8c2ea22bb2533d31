// What a container knows of a tensor: its name, type, shape and where its bytes lie. No arithmetic on values here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lora {

// Element types of safetensors and GGUF files. Quantized types (`kQ…`, `kIQ…`, …) store whole blocks of elements.
// Every type has a name and a size, so that a file holding it can be listed; what can be computed with is
// weights/dequantize.h's business.
enum class DType : uint8_t {
  kF64,
  kF32,
  kF16,
  kBF16,
  kF8E4M3,
  kF8E5M2,
  kI8,
  kI16,
  kI32,
  kI64,
  kU8,
  kU16,
  kU32,
  kU64,
  kBool,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ8_1,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kQ8_K,
  kIQ1_S,
  kIQ1_M,
  kIQ2_XXS,
  kIQ2_XS,
  kIQ2_S,
  kIQ3_XXS,
  kIQ3_S,
  kIQ4_NL,
  kIQ4_XS,
  kTQ1_0,
  kTQ2_0,
  kMXFP4,
};

// How a type is stored: `block_bytes` bytes hold `block_size` consecutive elements of a row (1 for plain types).
struct DTypeLayout {
  uint32_t block_size = 1;
  uint32_t block_bytes = 0;
};

std::string_view dtype_name(DType dtype);  // "F32", "Q4_K", as GGUF and safetensors spell it
DTypeLayout dtype_layout(DType dtype);
bool dtype_is_quantized(DType dtype);  // stored in blocks of more than one element

// The number that GGUF files give a type (enum ggml_type), and back. nullopt: the type has none, or it is unknown here.
std::optional<uint32_t> ggml_type_of(DType dtype);
std::optional<DType> dtype_of_ggml(uint32_t ggml_type);
// The name that safetensors headers give a type, and back.
std::optional<std::string_view> safetensors_name_of(DType dtype);
std::optional<DType> dtype_of_safetensors(std::string_view name);

// A tensor inside an open file. `bytes` points into the file's mapping: it lives as long as the file object, and is not
// necessarily aligned for its type (copy, do not cast).
struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // row-major, outermost first: a linear layer is (out, in). Empty: a scalar
  std::span<const std::byte> bytes;  // exactly tensor_bytes(dtype, shape)

  int64_t numel() const;
  std::string shape_text() const;  // "[576, 1536]"
};

// Number of elements and of bytes of a tensor, checked. `where` names the tensor in errors.
// Errors: kInput on a negative size, on overflow (also when a zero elsewhere would hide it), and, for the bytes, when
// rows of a quantized type do not consist of whole blocks.
int64_t checked_numel(std::span<const int64_t> shape, std::string_view where);
uint64_t tensor_bytes(DType dtype, std::span<const int64_t> shape, std::string_view where);

}  // namespace lora
