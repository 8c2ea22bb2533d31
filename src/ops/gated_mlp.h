// The MLP of a decoder block as one operation:
//   y = (x +) Down(activation(gate) * up),   gate, up = Linear_i(RMSNorm(x))
// with the linear layers of lora_linear.h. gate and up are the widest things that a block keeps; here they may be left
// out and computed again in the backward pass. With kMedium what is kept is kept as bfloat16 (kept_rows.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "ops/activation.h"
#include "ops/backend.h"
#include "ops/lora_linear.h"

namespace lora::ops {

struct GatedMlp {
  at::Tensor norm_weight;  // (hidden), or undefined: x is read as it is
  double eps;              // of the norm
  // gate and up, each (intermediate, hidden); or one matrix (2 * intermediate, hidden) with gate above up.
  std::vector<Projection> gate_up;
  Projection down;  // (hidden, intermediate)
  Activation activation;
  bool residual;  // whether x is added
};

struct MlpKeeping {
  bool gate_up =
      true;  // false: they are computed again in the backward pass, for about a quarter of a step's work
  bool result =
      true;  // false: y's numbers are not wanted (a pass that runs only to be differentiated); they are undefined
};

// x: (T, hidden); result: (T, hidden).
at::Tensor gated_mlp(const at::Tensor& x, const GatedMlp& mlp, const TokenKeys& keys, Backend backend,
                     MlpKeeping keeping = {});

}  // namespace lora::ops
