#include "weights/dequantize.h"

#include <cstdint>
#include <cstring>
#include <string>

#include "base/error.h"
#include "weights/unpack_kernels.h"

namespace lora {

bool can_dequantize(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ8_0:
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K:
      return true;
    default:
      return false;
  }
}

void dequantize(DType dtype, std::span<const std::byte> blocks, std::span<float> out) {
  if (!can_dequantize(dtype))
    throw Error::input({.found = "weights of type " + std::string(dtype_name(dtype)) + " cannot be read",
                        .expected = "F64, F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K",
                        .fix = "Use a file with other types, e.g. Q4_K_M or Q8_0."});
  const DTypeLayout layout = dtype_layout(dtype);
  if (out.size() % layout.block_size != 0 || blocks.size() % layout.block_bytes != 0 ||
      blocks.size() / layout.block_bytes != out.size() / layout.block_size)
    throw Error::input({.found = std::to_string(blocks.size()) + " bytes of " +
                                 std::string(dtype_name(dtype)) + " are not " + std::to_string(out.size()) +
                                 " elements"});
  if (out.empty()) return;
  if (dtype == DType::kF32)
    std::memcpy(out.data(), blocks.data(), blocks.size());
  else
    kernels::unpack(dtype, reinterpret_cast<const uint8_t*>(blocks.data()), out.size(), out.data());
}

}  // namespace lora
