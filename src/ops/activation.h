// What a gated MLP does with its gate: SwiGLU and GeGLU (arXiv 2002.05202).
#pragma once

namespace lora::ops {

enum class Activation {
  kSilu,      // x / (1 + exp(-x))
  kGeluTanh,  // GELU's tanh approximation (arXiv 1606.08415)
};

}  // namespace lora::ops
