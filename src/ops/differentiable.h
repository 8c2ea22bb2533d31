// Joins the result of a fused forward pass to autograd's graph. This is the only place where lora.cpp meets the
// internals of autograd; operations hand in their backward pass as a function.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "base/matmul_precision.h"

namespace lora::ops {

// Gradients of the outputs in, gradients of the inputs out. `needed[i]` tells whether the gradient of input i is
// asked for; entries that are not needed may stay undefined.
using BackwardFunction = std::function<std::vector<at::Tensor>(
    const std::vector<at::Tensor>& output_gradients, const std::vector<bool>& needed)>;

// Whether any of `inputs` takes part in differentiation now. Undefined tensors count as no.
bool any_requires_grad(const std::vector<at::Tensor>& inputs);

// Marks `outputs` (fresh tensors, computed without autograd) as differentiable functions of `inputs`.
// Does nothing when no input requires a gradient. `backward` may capture tensors, but of the outputs only detached
// aliases (`output.detach()`), or the graph would own itself. It is dropped after the backward pass.
void attach_backward(const std::string& name, const std::vector<at::Tensor>& inputs,
                     std::vector<at::Tensor>& outputs, BackwardFunction backward);

// forward(x), without keeping what its backward pass needs: there it runs again, on a detached x (arXiv 1604.06174).
// `parameters`: all other leaves that forward reads. What forward captures must live until the backward pass has run.
// The second run is told so by its second argument: then the result's numbers are not read, only its graph. `precision` says how x
// is kept (kept_rows.h).
at::Tensor recomputed(const at::Tensor& x, const std::vector<at::Tensor>& parameters,
                      std::function<at::Tensor(const at::Tensor& x, bool again)> forward,
                      MatmulPrecision precision = MatmulPrecision::kHighest);

}  // namespace lora::ops
