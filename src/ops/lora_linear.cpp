#include "ops/lora_linear.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/profile.h"
#include "ops/differentiable.h"
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
  std::vector<SavedProjection> saved(projections.begin(), projections.end());
  const Tensor xd = x.detach().contiguous();
  const Tensor rstd = norm ? at::empty({xd.size(0)}, xd.options()) : Tensor();
  {
    const c10::NoGradGuard no_grad;
    const Tensor h = norm ? norm_forward(xd, norm_weight, eps, rstd) : xd;
    for (SavedProjection& s : saved) outputs.push_back(product_forward(h, s, keys));
  }
  for (const Projection& p : projections) inputs.insert(inputs.end(), {p.A(), p.B()});
  attach_backward(
      "norm_linear", inputs, outputs,
      [xd, norm_weight, rstd, saved, keys](const auto& gradients, const std::vector<bool>& needed) {
        const Tensor h = norm_weight.defined() ? norm_again(xd, norm_weight, rstd) : xd;
        std::vector<Tensor> result(1);
        Tensor dh;
        for (size_t i = 0; i < saved.size(); ++i) {
          const LoraGradients g =
              product_backward(h, saved[i], gradients[i].contiguous(), keys, needed[0], dh);
          result.insert(result.end(), {g.A, g.B});
        }
        if (needed[0]) {
          if (norm_weight.defined()) norm_backward(xd, norm_weight, rstd, dh);
          result[0] = dh;
        }
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
  SavedProjection saved(projection);
  const Tensor xd = x.detach().contiguous();
  std::vector<Tensor> outputs;
  {
    const c10::NoGradGuard no_grad;
    outputs.push_back(product_forward(xd, saved, keys, residual.defined() ? residual.detach() : residual));
  }
  attach_backward("linear_residual", {x, residual, projection.A(), projection.B()}, outputs,
                  [xd, saved, keys](const auto& gradients, const std::vector<bool>& needed) {
                    const Tensor dy = gradients[0].contiguous();
                    Tensor dx;
                    const LoraGradients g = product_backward(xd, saved, dy, keys, needed[0], dx);
                    return std::vector<Tensor>{dx, dy, g.A, g.B};
                  });
  return outputs[0];
}

}  // namespace lora::ops
