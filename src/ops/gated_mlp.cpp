#include "ops/gated_mlp.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/profile.h"
#include "ops/cpu/gating_kernels.h"
#include "ops/differentiable.h"
#include "ops/kept_rows.h"
#include "ops/lora_product.h"
#include "ops/norm.h"
#include "ops/rows.h"

namespace lora::ops {
namespace {

using at::Tensor;

struct GateUp {
  Tensor gate, up;  // (T, intermediate), each row contiguous
};

// body(row of gate, row of up, row of h) over rows begin … end - 1.
template <class T, class Body>
void each_row(const GateUp& in, const Tensor& h, int64_t begin, int64_t end, const Body& body) {
  const int64_t gate_stride = in.gate.stride(0), up_stride = in.up.stride(0), d = h.size(1);
  T *gate = in.gate.data_ptr<T>(), *up = in.up.data_ptr<T>(), *out = h.data_ptr<T>();
  for (int64_t t = begin; t < end; ++t) body(gate + t * gate_stride, up + t * up_stride, out + t * d);
}

// Rows of h = activation(gate) * up.
void activate(Activation activation, const GateUp& in, int64_t begin, int64_t end, const Tensor& h) {
  const ProfilePart part("activation");
  const int64_t d = h.size(1);
  AT_DISPATCH_FLOATING_TYPES(h.scalar_type(), "gated", [&] {
    const auto& kernels = cpu::gating_kernels<scalar_t>();
    const auto gated = activation == Activation::kSilu ? kernels.swiglu : kernels.geglu;
    each_row<scalar_t>(in, h, begin, end, [&](const scalar_t* gate, const scalar_t* up, scalar_t* out) {
      gated(gate, up, d, out);
    });
  });
}

// In place: rows of gate and up become their gradients for dh.
void activate_backward(Activation activation, const GateUp& in, int64_t begin, int64_t end,
                       const Tensor& dh) {
  const ProfilePart part("activation");
  const int64_t d = dh.size(1);
  AT_DISPATCH_FLOATING_TYPES(dh.scalar_type(), "gated_backward", [&] {
    const auto& kernels = cpu::gating_kernels<scalar_t>();
    const auto back = activation == Activation::kSilu ? kernels.swiglu_backward : kernels.geglu_backward;
    each_row<scalar_t>(in, dh, begin, end, [&](scalar_t* gate, scalar_t* up, const scalar_t* g) {
      back(gate, up, g, d, gate, up);
    });
  });
}

// y += x over rows begin … end - 1; both (T, d), contiguous.
void add_rows(const Tensor& x, int64_t begin, int64_t end, const Tensor& y) {
  const int64_t d = x.size(1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "add_rows", [&] {
    const scalar_t* from = x.const_data_ptr<scalar_t>();
    scalar_t* to = y.data_ptr<scalar_t>();
    for (int64_t i = begin * d; i < end * d; ++i) to[i] += from[i];
  });
}

// All that the backward pass reads.
struct SavedMlp {
  KeptRows x;
  Tensor norm_weight, rstd;
  SavedGroup gate_up, down;  // down: one
  Activation activation;
  TokenKeys keys;
  std::vector<KeptRows> products;  // of gate_up; empty: not kept

  // What gate_up reads, made again of x.
  ProductInput read_again(const Tensor& xd) const {
    if (!norm_weight.defined()) return {xd};
    const Tensor h = at::empty_like(xd);
    return {h, [this, xd, h](int64_t begin, int64_t end) {
              norm_rows_again(xd, norm_weight, rstd, begin, end, h);
            }};
  }

  static GateUp split(const std::vector<Tensor>& products) {
    if (products.size() == 2) return {products[0], products[1]};
    const int64_t width = products[0].size(1) / 2;
    return {products[0].slice(1, 0, width), products[0].slice(1, width)};
  }

  // What down reads: made of the products, rows of which `first`, if any, keeps or restores before.
  ProductInput gated(const std::vector<Tensor>& of, const RowWork& first) const {
    const GateUp in = split(of);
    const Tensor h = at::empty(in.gate.sizes(), in.gate.options());
    return {h, [this, in, h, first](int64_t begin, int64_t end) {
              if (!first) return activate(activation, in, begin, end, h);
              // A few rows at a time, which stay in a near cache from the one to the other.
              constexpr int64_t kRows = 4;
              for (int64_t row = begin; row < end; row += kRows) {
                const int64_t last = std::min(row + kRows, end);
                first(row, last);
                activate(activation, in, row, last, h);
              }
            }};
  }
};

// dy: (T, hidden). Gradients of x (with `residual`, dy is part of it), and of A and B of each projection, down's last.
std::vector<Tensor> backward(const SavedMlp& saved, const Tensor& dy, bool need_dx, bool residual) {
  const Tensor x = saved.x.restored();
  std::vector<Tensor> products;
  // Their gradients take their place; a graph is differentiated once.
  for (const KeptRows& kept : saved.products) products.push_back(kept.room());
  if (products.empty()) products = products_again(saved.read_again(x), saved.gate_up);
  const GateUp gate_up = SavedMlp::split(products);
  RowWork restore;
  if (!saved.products.empty() && saved.products[0].rounds())
    restore = [&](int64_t begin, int64_t end) {
      for (size_t i = 0; i < saved.products.size(); ++i) saved.products[i].restore(begin, end, products[i]);
    };

  const bool need_products = need_dx || std::ranges::any_of(saved.gate_up, &SavedProjection::has_lora);
  LoraGradients down;
  {
    const Tensor d_gated = need_products ? at::empty(gate_up.gate.sizes(), gate_up.gate.options()) : Tensor();
    RowWork done;
    if (need_products)
      done = [&](int64_t begin, int64_t end) {
        activate_backward(saved.activation, gate_up, begin, end, d_gated);
      };
    down = products_backward(saved.gated(products, restore), saved.down, {dy}, saved.keys, d_gated, done)[0];
  }

  std::vector<Tensor> result(1);
  if (need_dx) result[0] = at::empty_like(x);
  const auto done = [&](int64_t begin, int64_t end) {
    if (saved.norm_weight.defined())
      norm_rows_backward(x, saved.norm_weight, saved.rstd, begin, end, result[0]);
    if (residual) add_rows(dy, begin, end, result[0]);
  };
  if (need_products) {
    for (const LoraGradients& g : products_backward(saved.read_again(x), saved.gate_up, products, saved.keys,
                                                    result[0], need_dx ? RowWork(done) : RowWork()))
      result.insert(result.end(), {g.A, g.B});
  } else {
    result.resize(1 + 2 * saved.gate_up.size());
  }
  result.insert(result.end(), {down.A, down.B});
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
  SavedMlp saved{{},
                 mlp.norm_weight,
                 {},
                 {mlp.gate_up.begin(), mlp.gate_up.end()},
                 {SavedProjection(mlp.down)},
                 mlp.activation,
                 keys,
                 {}};
  const Tensor xd = x.detach().contiguous();
  std::vector<Tensor> outputs, inputs{x};
  for (const Projection& p : mlp.gate_up) inputs.insert(inputs.end(), {p.A(), p.B()});
  inputs.insert(inputs.end(), {mlp.down.A(), mlp.down.B()});
  {
    const bool differentiates = any_requires_grad(inputs), normed = mlp.norm_weight.defined();
    const c10::NoGradGuard no_grad;
    const MatmulPrecision precision = precision_of(saved.gate_up);
    if (differentiates) saved.x = KeptRows::room_for(xd, precision);
    ProductInput input{xd};
    if (normed) {
      saved.rstd = at::empty({x.size(0)}, x.options());
      input.h = at::empty_like(xd);
    }
    input.make = [&](int64_t begin, int64_t end) {
      if (normed) norm_rows(xd, mlp.norm_weight, mlp.eps, begin, end, input.h, saved.rstd);
      if (differentiates) saved.x.keep(xd, begin, end);
    };
    const std::vector<Tensor> products = products_forward(input, saved.gate_up, keys, differentiates);
    RowWork keep;
    if (differentiates && keeping.gate_up) {
      for (const Tensor& product : products) saved.products.push_back(KeptRows::room_for(product, precision));
      if (saved.products[0].rounds())
        keep = [&](int64_t begin, int64_t end) {
          for (size_t i = 0; i < products.size(); ++i) saved.products[i].keep(products[i], begin, end);
        };
    }
    const ProductInput gated = saved.gated(products, keep);
    if (keeping.result) {
      outputs = products_forward(gated, saved.down, keys, differentiates, mlp.residual ? xd : Tensor());
    } else {
      low_rank_forward(gated, saved.down, keys);
      outputs = {at::empty({x.size(0), mlp.down.weight.rows()}, x.options())};
    }
  }
  attach_backward("gated_mlp", inputs, outputs,
                  [saved, residual = mlp.residual](const auto& gradients, const std::vector<bool>& needed) {
                    return backward(saved, gradients[0].contiguous(), needed[0], residual);
                  });
  return outputs[0];
}

}  // namespace lora::ops
