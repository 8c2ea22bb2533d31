#include "ops/norm.h"

#include <ATen/ATen.h>

#include "base/profile.h"
#include "ops/cpu/row_kernels.h"
#include "ops/differentiable.h"
#include "ops/kept_rows.h"
#include "ops/rows.h"

namespace lora::ops {

using at::Tensor;

void norm_rows(const Tensor& x, const Tensor& weight, double eps, int64_t begin, int64_t end, const Tensor& y,
               const Tensor& rstd) {
  const ProfilePart part("norm");
  const int64_t d = x.size(1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "rms_norm", [&] {
    cpu::row_kernels<scalar_t>().rms_norm(x.const_data_ptr<scalar_t>() + begin * d,
                                          weight.const_data_ptr<scalar_t>(), static_cast<scalar_t>(eps),
                                          end - begin, d, y.data_ptr<scalar_t>() + begin * d,
                                          rstd.data_ptr<scalar_t>() + begin);
  });
}

void norm_rows_again(const Tensor& x, const Tensor& weight, const Tensor& rstd, int64_t begin, int64_t end,
                     const Tensor& y) {
  const ProfilePart part("norm");
  const int64_t d = x.size(1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "rms_norm", [&] {
    cpu::row_kernels<scalar_t>().rms_norm_again(
        x.const_data_ptr<scalar_t>() + begin * d, weight.const_data_ptr<scalar_t>(),
        rstd.const_data_ptr<scalar_t>() + begin, end - begin, d, y.data_ptr<scalar_t>() + begin * d);
  });
}

void norm_rows_backward(const Tensor& x, const Tensor& weight, const Tensor& rstd, int64_t begin, int64_t end,
                        const Tensor& dy) {
  const ProfilePart part("norm");
  const int64_t d = x.size(1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "rms_norm_backward", [&] {
    scalar_t* g = dy.data_ptr<scalar_t>() + begin * d;
    cpu::row_kernels<scalar_t>().rms_norm_backward(
        x.const_data_ptr<scalar_t>() + begin * d, weight.const_data_ptr<scalar_t>(),
        rstd.const_data_ptr<scalar_t>() + begin, g, end - begin, d, g);
  });
}

Tensor plain_norm(const Tensor& x, const Tensor& weight, double eps) {
  return x * at::rsqrt(x.pow(2).mean(-1, true) + eps) * weight;
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps, Backend backend,
                MatmulPrecision precision) {
  if (backend == Backend::kReference) return plain_norm(x, weight, eps);
  const Tensor xd = x.detach().contiguous();
  const Tensor rstd = at::empty({xd.size(0)}, xd.options());
  std::vector<Tensor> outputs{at::empty_like(xd)};
  for_rows(xd.size(0), xd.size(1), [&, y = outputs[0]](int64_t begin, int64_t end) {
    norm_rows(xd, weight, eps, begin, end, y, rstd);
  });
  if (!any_requires_grad({x})) return outputs[0];
  const KeptRows kept(xd, precision);
  attach_backward("rms_norm", {x}, outputs, [kept, weight, rstd](const auto& gradients, const auto&) {
    const Tensor xd = kept.restored(), dx = gradients[0].clone(at::MemoryFormat::Contiguous);
    for_rows(xd.size(0), xd.size(1),
             [&](int64_t begin, int64_t end) { norm_rows_backward(xd, weight, rstd, begin, end, dx); });
    return std::vector<Tensor>{dx};
  });
  return outputs[0];
}

}  // namespace lora::ops
