// Stored elements to floats: plain floating types and ggml's block types. No LibTorch, no threads: callers split the work.
// Layouts: ggml-common.h's block structs; values equal gguf-py's, difference 0.
#pragma once

#include <cstddef>
#include <span>

#include "files/tensor_info.h"

namespace lora {

// F64, F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K.
bool can_dequantize(DType dtype);

// Writes out.size() elements; out.size() must be a multiple of the type's block size and `blocks` hold exactly those
// elements. Neither needs alignment. Errors: kInput naming the type when it is not one of the above, or when the sizes
// do not fit together.
void dequantize(DType dtype, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace lora
