// Tensors out of files: dequantized, in the wanted type, and in Hugging Face's row order.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "files/tensor_info.h"

namespace lora {

// A fresh CPU tensor of `info.shape`, contiguous and owning its memory (it does not point into the file).
// Floating and block types can be loaded as kFloat, kDouble, kHalf or kBFloat16 (by way of float); integers and bools
// only as themselves. Rows are shared among at::parallel_for's threads; the result does not depend on their number.
// Errors: kInput naming tensor and type when the type cannot be loaded, kMachine when memory runs out.
at::Tensor load_tensor(const TensorInfo& info, at::ScalarType dtype = at::kFloat);

// Files of architecture `llama` hold the rows of each head of q and k in the order 0, d/2, 1, d/2+1, … (interleaved
// RoPE, d = head_dim); Hugging Face has 0, 1, 2, … (rotate-half). undo: GGUF's order to Hugging Face's; redo: back.
// w: (n_heads * head_dim, in), also (n_heads * head_dim) for a bias and (n_heads * head_dim, r) for lora_B; for k,
// n_heads is the number of key-value heads. One copy. Errors: kInput when the rows do not split into n_heads heads of
// even size.
at::Tensor undo_rope_permutation(const at::Tensor& w, int64_t n_heads);
at::Tensor redo_rope_permutation(const at::Tensor& w, int64_t n_heads);

}  // namespace lora
