#include "ops/gated_mlp.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/profile.h"
#include "ops/cpu/kernels.h"
#include "ops/differentiable.h"
#include "ops/lora_product.h"
#include "ops/norm.h"
#include "ops/rows.h"

namespace lora::ops {
namespace {

using at::Tensor;

struct GateUp {
  Tensor gate, up;  // (T, intermediate), each row contiguous
};

// body(row of gate, row of up, row of h) over all rows.
template <class T, class Body>
void each_row(const GateUp& in, const Tensor& h, const Body& body) {
  const int64_t gate_stride = in.gate.stride(0), up_stride = in.up.stride(0), d = h.size(1);
  T *gate = in.gate.data_ptr<T>(), *up = in.up.data_ptr<T>(), *out = h.data_ptr<T>();
  for_rows(h.size(0), d, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) body(gate + t * gate_stride, up + t * up_stride, out + t * d);
  });
}

Tensor activated(Activation activation, const GateUp& in) {
  const ProfilePart part("activation");
  const Tensor h = at::empty(in.gate.sizes(), in.gate.options());
  const int64_t d = h.size(1);
  AT_DISPATCH_FLOATING_TYPES(h.scalar_type(), "gated", [&] {
    each_row<scalar_t>(in, h, [&](const scalar_t* gate, const scalar_t* up, scalar_t* out) {
      activation == Activation::kSilu ? cpu::swiglu(gate, up, d, out) : cpu::geglu(gate, up, d, out);
    });
  });
  return h;
}

// In place: gate and up become their gradients for dh.
void activated_backward(Activation activation, const GateUp& in, const Tensor& dh) {
  const ProfilePart part("activation");
  const int64_t d = dh.size(1);
  AT_DISPATCH_FLOATING_TYPES(dh.scalar_type(), "gated_backward", [&] {
    each_row<scalar_t>(in, dh, [&](scalar_t* gate, scalar_t* up, const scalar_t* g) {
      activation == Activation::kSilu ? cpu::swiglu_backward(gate, up, g, d, gate, up)
                                      : cpu::geglu_backward(gate, up, g, d, gate, up);
    });
  });
}

// All that the backward pass reads.
struct SavedMlp {
  Tensor x, norm_weight, rstd;
  std::vector<SavedProjection> gate_up;
  SavedProjection down;
  Activation activation;
  TokenKeys keys;
  std::vector<Tensor> products;  // of gate_up; empty: not kept

  Tensor read() const { return norm_weight.defined() ? norm_again(x, norm_weight, rstd) : x; }

  static GateUp split(const std::vector<Tensor>& products) {
    if (products.size() == 2) return {products[0], products[1]};
    const int64_t width = products[0].size(1) / 2;
    return {products[0].slice(1, 0, width), products[0].slice(1, width)};
  }
};

// dy: (T, hidden). Gradients of x (without the residual's), and of A and B of each projection, down's last.
std::vector<Tensor> backward(const SavedMlp& saved, const Tensor& dy, bool need_dx) {
  const Tensor h = saved.read();
  std::vector<Tensor> products = saved.products;
  if (products.empty())
    for (const SavedProjection& p : saved.gate_up) products.push_back(product_again(h, p));
  const GateUp gate_up = SavedMlp::split(products);

  const bool need_products = need_dx || std::ranges::any_of(saved.gate_up, &SavedProjection::has_lora);
  Tensor d_activated;
  const LoraGradients down = product_backward(activated(saved.activation, gate_up), saved.down, dy,
                                              saved.keys, need_products, d_activated);
  if (need_products) activated_backward(saved.activation, gate_up, d_activated);

  std::vector<Tensor> result(1);
  Tensor dh;
  for (size_t i = 0; i < products.size(); ++i) {
    if (!need_dx && !saved.gate_up[i].has_lora()) {
      result.resize(result.size() + 2);
      continue;
    }
    const LoraGradients g = product_backward(h, saved.gate_up[i], products[i], saved.keys, need_dx, dh);
    result.insert(result.end(), {g.A, g.B});
  }
  result.insert(result.end(), {down.A, down.B});
  if (need_dx && saved.norm_weight.defined()) norm_backward(saved.x, saved.norm_weight, saved.rstd, dh);
  result[0] = dh;
  return result;
}

Tensor plain_mlp(const Tensor& x, const GatedMlp& mlp, const TokenKeys& keys) {
  const Tensor h = mlp.norm_weight.defined() ? plain_norm(x, mlp.norm_weight, mlp.eps) : x;
  std::vector<Tensor> products;
  for (const Projection& p : mlp.gate_up) products.push_back(plain_product(h, p, keys));
  const auto [gate, up] = SavedMlp::split(products);
  const Tensor gated = (mlp.activation == Activation::kSilu ? at::silu(gate) : at::gelu(gate, "tanh")) * up;
  const Tensor y = plain_product(gated, mlp.down, keys);
  return mlp.residual ? x + y : y;
}

}  // namespace

Tensor gated_mlp(const Tensor& x, const GatedMlp& mlp, const TokenKeys& keys, Backend backend,
                 MlpKeeping keeping) {
  const ProfileScope scope("gated_mlp");
  if (backend == Backend::kReference) return plain_mlp(x, mlp, keys);
  SavedMlp saved{x.detach().contiguous(),   mlp.norm_weight, {},   {mlp.gate_up.begin(), mlp.gate_up.end()},
                 SavedProjection(mlp.down), mlp.activation,  keys, {}};
  const bool norm = mlp.norm_weight.defined();
  std::vector<Tensor> outputs, inputs{x};
  {
    const c10::NoGradGuard no_grad;
    if (norm) saved.rstd = at::empty({x.size(0)}, x.options());
    const Tensor h = norm ? norm_forward(saved.x, mlp.norm_weight, mlp.eps, saved.rstd) : saved.x;
    for (SavedProjection& p : saved.gate_up) saved.products.push_back(product_forward(h, p, keys));
    const Tensor gated = activated(mlp.activation, SavedMlp::split(saved.products));
    if (!keeping.gate_up) saved.products.clear();
    if (keeping.result) {
      outputs.push_back(product_forward(gated, saved.down, keys, mlp.residual ? saved.x : Tensor()));
    } else {
      low_rank_forward(gated, saved.down, keys);
      outputs.push_back(at::empty({x.size(0), mlp.down.weight.rows()}, x.options()));
    }
  }
  for (const Projection& p : mlp.gate_up) inputs.insert(inputs.end(), {p.A(), p.B()});
  inputs.insert(inputs.end(), {mlp.down.A(), mlp.down.B()});
  attach_backward("gated_mlp", inputs, outputs,
                  [saved, residual = mlp.residual](const auto& gradients, const std::vector<bool>& needed) {
                    const Tensor dy = gradients[0].contiguous();
                    std::vector<Tensor> result = backward(saved, dy, needed[0]);
                    if (residual && needed[0]) result[0].add_(dy);
                    return result;
                  });
  return outputs[0];
}

}  // namespace lora::ops
