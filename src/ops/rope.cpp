#include "ops/rope.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "base/profile.h"
#include "ops/cpu/row_kernels.h"
#include "ops/differentiable.h"
#include "ops/rows.h"

namespace lora::ops {
namespace {

at::Tensor turn(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t head_dim,
                int direction) {
  const at::Tensor input = x.contiguous();
  const at::Tensor out = at::empty_like(input);
  const int64_t heads = x.size(1) / head_dim, half = cos.size(1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "rope", [&] {
    for_rows(input.size(0), input.size(1), [&](int64_t begin, int64_t end) {
      cpu::row_kernels<scalar_t>().rope(
          input.data_ptr<scalar_t>() + begin * input.size(1), cos.data_ptr<scalar_t>() + begin * half,
          sin.data_ptr<scalar_t>() + begin * half, end - begin, heads, head_dim, 2 * half,
          static_cast<scalar_t>(direction), out.data_ptr<scalar_t>() + begin * input.size(1));
    });
  });
  return out;
}

at::Tensor reference(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t head_dim) {
  const int64_t half = cos.size(1);
  const at::Tensor heads = x.view({x.size(0), -1, head_dim});
  const at::Tensor a = heads.slice(2, 0, half), b = heads.slice(2, half, 2 * half);
  const at::Tensor c = cos.unsqueeze(1), s = sin.unsqueeze(1);
  return at::cat({a * c - b * s, b * c + a * s, heads.slice(2, 2 * half)}, 2).reshape(x.sizes());
}

}  // namespace

at::Tensor rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t head_dim,
                Backend backend) {
  const ProfileScope scope("rope");
  if (backend == Backend::kReference) return reference(x, cos, sin, head_dim);
  std::vector<at::Tensor> outputs{turn(x.detach(), cos, sin, head_dim, 1)};
  attach_backward("rope", {x}, outputs, [cos, sin, head_dim](const auto& gradients, const auto&) {
    return std::vector<at::Tensor>{turn(gradients[0], cos, sin, head_dim, -1)};
  });
  return outputs[0];
}

}  // namespace lora::ops
