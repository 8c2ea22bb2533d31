#include "ops/lora_linear.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/profile.h"
#include "ops/differentiable.h"
#include "ops/kept_rows.h"
#include "ops/lora_product.h"
#include "ops/norm.h"

namespace lora::ops {

using at::Tensor;

std::vector<Tensor> norm_linear(const Tensor& x, const Tensor& norm_weight, double eps,
                                const std::vector<Projection>& projections, const TokenKeys& keys,
                                Backend backend) {
  const ProfileScope scope("norm_linear");
  const bool norm = norm_weight.defined();
  std::vector<Tensor> inputs{x}, outputs;
  if (backend == Backend::kReference) {
    const Tensor h = norm ? plain_norm(x, norm_weight, eps) : x;
    for (const Projection& p : projections) outputs.push_back(plain_product(h, p, keys));
    return outputs;
  }
  SavedGroup saved(projections.begin(), projections.end());
  const Tensor xd = x.detach().contiguous();
  const Tensor rstd = norm ? at::empty({xd.size(0)}, xd.options()) : Tensor();
  for (const Projection& p : projections) inputs.insert(inputs.end(), {p.A(), p.B()});
  KeptRows kept;
  {
    const bool differentiates = any_requires_grad(inputs);
    const c10::NoGradGuard no_grad;
    if (differentiates) kept = KeptRows::room_for(xd, precision_of(saved));
    ProductInput input{xd};
    if (norm) input.h = at::empty_like(xd);
    input.make = [&](int64_t begin, int64_t end) {
      if (norm) norm_rows(xd, norm_weight, eps, begin, end, input.h, rstd);
      if (differentiates) kept.keep(xd, begin, end);
    };
    outputs = products_forward(input, saved, keys, differentiates);
  }
  attach_backward(
      "norm_linear", inputs, outputs,
      [kept, norm_weight, rstd, saved, keys](const auto& gradients, const std::vector<bool>& needed) {
        const bool normed = norm_weight.defined();
        const Tensor xd = kept.restored();
        ProductInput input{xd};
        RowWork done;
        const Tensor dx = needed[0] ? at::empty_like(xd) : Tensor();
        if (normed) {
          input.h = at::empty_like(xd);
          input.make = [&](int64_t begin, int64_t end) {
            norm_rows_again(xd, norm_weight, rstd, begin, end, input.h);
          };
          if (needed[0])
            done = [&](int64_t begin, int64_t end) {
              norm_rows_backward(xd, norm_weight, rstd, begin, end, dx);
            };
        }
        std::vector<Tensor> dy, result{dx};
        for (const Tensor& g : gradients) dy.push_back(g.contiguous());
        for (const LoraGradients& g : products_backward(input, saved, dy, keys, dx, done))
          result.insert(result.end(), {g.A, g.B});
        return result;
      });
  return outputs;
}

Tensor linear_residual(const Tensor& x, const Tensor& residual, const Projection& projection,
                       const TokenKeys& keys, Backend backend) {
  const ProfileScope scope("linear_residual");
  if (backend == Backend::kReference) {
    const Tensor y = plain_product(x, projection, keys);
    return residual.defined() ? residual + y : y;
  }
  SavedGroup saved{SavedProjection(projection)};
  const Tensor xd = x.detach().contiguous();
  const std::vector<Tensor> inputs{x, residual, projection.A(), projection.B()};
  std::vector<Tensor> outputs;
  KeptRows kept;
  {
    const bool differentiates = any_requires_grad(inputs);
    const c10::NoGradGuard no_grad;
    ProductInput input{xd};
    if (differentiates && projection.lora) {
      kept = KeptRows::room_for(xd, precision_of(saved));
      input.make = [&](int64_t begin, int64_t end) { kept.keep(xd, begin, end); };
    }
    outputs = products_forward(input, saved, keys, differentiates,
                               residual.defined() ? residual.detach().contiguous() : residual);
  }
  attach_backward("linear_residual", inputs, outputs,
                  [kept, saved, keys](const auto& gradients, const std::vector<bool>& needed) {
                    const Tensor dy = gradients[0].contiguous();
                    const Tensor dx =
                        needed[0] ? at::empty({dy.size(0), saved[0].weight.cols()}, dy.options()) : Tensor();
                    if (!dx.defined() && !kept.defined()) return std::vector<Tensor>{{}, dy, {}, {}};
                    // Without an adapter no number of x is read, and none was kept.
                    const Tensor xd = kept.defined() ? kept.restored() : dx;
                    const LoraGradients g = products_backward({xd}, saved, {dy}, keys, dx)[0];
                    return std::vector<Tensor>{dx, dy, g.A, g.B};
                  });
  return outputs[0];
}

}  // namespace lora::ops
