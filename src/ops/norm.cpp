#include "ops/norm.h"

#include <ATen/ATen.h>

#include "base/profile.h"
#include "ops/cpu/kernels.h"
#include "ops/differentiable.h"
#include "ops/rows.h"

namespace lora::ops {

using at::Tensor;

Tensor norm_forward(const Tensor& x, const Tensor& weight, double eps, const Tensor& rstd) {
  const ProfilePart part("norm");
  const Tensor y = at::empty_like(x);
  const int64_t d = x.size(1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "rms_norm", [&] {
    for_rows(x.size(0), d, [&](int64_t begin, int64_t end) {
      cpu::rms_norm(x.data_ptr<scalar_t>() + begin * d, weight.data_ptr<scalar_t>(),
                    static_cast<scalar_t>(eps), end - begin, d, y.data_ptr<scalar_t>() + begin * d,
                    rstd.data_ptr<scalar_t>() + begin);
    });
  });
  return y;
}

Tensor norm_again(const Tensor& x, const Tensor& weight, const Tensor& rstd) {
  const ProfilePart part("norm");
  const Tensor y = at::empty_like(x);
  const int64_t d = x.size(1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "rms_norm", [&] {
    for_rows(x.size(0), d, [&](int64_t begin, int64_t end) {
      cpu::rms_norm_again(x.data_ptr<scalar_t>() + begin * d, weight.data_ptr<scalar_t>(),
                          rstd.data_ptr<scalar_t>() + begin, end - begin, d,
                          y.data_ptr<scalar_t>() + begin * d);
    });
  });
  return y;
}

void norm_backward(const Tensor& x, const Tensor& weight, const Tensor& rstd, const Tensor& dy) {
  const ProfilePart part("norm");
  const int64_t d = x.size(1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "rms_norm_backward", [&] {
    for_rows(x.size(0), d, [&](int64_t begin, int64_t end) {
      scalar_t* g = dy.data_ptr<scalar_t>() + begin * d;
      cpu::rms_norm_backward(x.data_ptr<scalar_t>() + begin * d, weight.data_ptr<scalar_t>(),
                             rstd.data_ptr<scalar_t>() + begin, g, end - begin, d, g);
    });
  });
}

Tensor plain_norm(const Tensor& x, const Tensor& weight, double eps) {
  return x * at::rsqrt(x.pow(2).mean(-1, true) + eps) * weight;
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps, Backend backend) {
  if (backend == Backend::kReference) return plain_norm(x, weight, eps);
  const Tensor xd = x.detach().contiguous();
  const Tensor rstd = at::empty({xd.size(0)}, xd.options());
  std::vector<Tensor> outputs{norm_forward(xd, weight, eps, rstd)};
  attach_backward("rms_norm", {x}, outputs, [xd, weight, rstd](const auto& gradients, const auto&) {
    const Tensor dx = gradients[0].clone(at::MemoryFormat::Contiguous);
    norm_backward(xd, weight, rstd, dx);
    return std::vector<Tensor>{dx};
  });
  return outputs[0];
}

}  // namespace lora::ops
