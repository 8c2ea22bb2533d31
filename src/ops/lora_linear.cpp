#include "ops/lora_linear.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/hash.h"
#include "ops/cpu/kernels.h"
#include "ops/differentiable.h"
#include "ops/frozen_linear.h"
#include "ops/rows.h"

namespace lora::ops {
namespace {

using at::Tensor;

// y (T, d) = mask * x, or y += mask * x.
void apply_dropout(const Tensor& x, const TokenKeys& keys, const LoraTerm& term, bool accumulate,
                   const Tensor& y) {
  const int64_t d = x.size(1);
  const int64_t* key = keys.data_ptr<int64_t>();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "dropout", [&] {
    const scalar_t* in = x.data_ptr<scalar_t>();
    scalar_t* out = y.data_ptr<scalar_t>();
    for_rows(x.size(0), d, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        cpu::dropout_row(in + t * d, mix64(term.dropout_key, static_cast<uint64_t>(key[t])), term.dropout, d,
                         accumulate, out + t * d);
    });
  });
}

// What LoRA reads: h itself, or h with this module's mask laid over it.
Tensor lora_input(const Tensor& h, const LoraTerm& term, const TokenKeys& keys) {
  if (term.dropout == 0) return h;
  Tensor dropped = at::empty_like(h);
  apply_dropout(h, keys, term, false, dropped);
  return dropped;
}

// y += scale * (dropout(h) A^T) B^T. Returns u = dropout(h) A^T, (T, r), which the backward pass needs.
Tensor add_lora(const Tensor& h, const LoraTerm& term, const TokenKeys& keys, Tensor& y) {
  Tensor u = at::mm(lora_input(h, term, keys), term.A.t());
  y.addmm_(u, term.B.t(), 1, term.scale);
  return u;
}

// One projection as the forward pass used it: detached, and with u kept.
struct Saved {
  FrozenMatrix weight;
  std::optional<LoraTerm> lora;
  Tensor u;  // (T, r)
};

Saved detached(const Projection& p) {
  Saved saved{p.weight, p.lora, {}};
  if (saved.lora) {
    saved.lora->A = p.lora->A.detach();
    saved.lora->B = p.lora->B.detach();
  }
  return saved;
}

// y = h W^T (+ bias) (+ residual) + LoRA.
Tensor forward(const Tensor& h, const Projection& p, const TokenKeys& keys, const Tensor& residual,
               Saved& saved) {
  Tensor y;
  if (residual.defined()) {
    y = frozen_linear(h, p.weight, residual);
    if (p.bias.defined()) y.add_(p.bias);
  } else {
    y = frozen_linear(h, p.weight, p.bias);
  }
  if (saved.lora) saved.u = add_lora(h, *saved.lora, keys, y);
  return y;
}

struct LoraGradients {
  Tensor A, B;
};

// Gradients of A and B for dy; adds the gradient of h to dh when dh is defined (allocating it when `fresh`).
LoraGradients backward(const Tensor& h, const Saved& saved, const Tensor& dy, const TokenKeys& keys,
                       bool need_dh, Tensor& dh) {
  if (need_dh) {
    const bool fresh = !dh.defined();
    if (fresh) dh = at::empty_like(h);
    frozen_linear_transposed_out(dy, saved.weight, !fresh, dh);
  }
  if (!saved.lora) return {};
  const LoraTerm& term = *saved.lora;
  const Tensor du = at::mm(dy, term.B).mul_(term.scale);  // (T, r)
  LoraGradients gradients;
  gradients.B = at::mm(dy.t(), saved.u).mul_(term.scale);
  gradients.A = at::mm(du.t(), lora_input(h, term, keys));
  if (need_dh) {
    if (term.dropout == 0) {
      dh.addmm_(du, term.A);
    } else {
      apply_dropout(at::mm(du, term.A), keys, term, true, dh);
    }
  }
  return gradients;
}

Tensor norm_forward(const Tensor& x, const Tensor& weight, double eps, const Tensor& rstd) {
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

// In place: turns the gradient of the norm's result into the gradient of x.
void norm_backward(const Tensor& x, const Tensor& weight, const Tensor& rstd, const Tensor& dy) {
  const int64_t d = x.size(1);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "rms_norm_backward", [&] {
    for_rows(x.size(0), d, [&](int64_t begin, int64_t end) {
      scalar_t* g = dy.data_ptr<scalar_t>() + begin * d;
      cpu::rms_norm_backward(x.data_ptr<scalar_t>() + begin * d, weight.data_ptr<scalar_t>(),
                             rstd.data_ptr<scalar_t>() + begin, g, end - begin, d, g);
    });
  });
}

Tensor gated(Activation activation, const Tensor& gate, const Tensor& up) {
  const Tensor h = at::empty_like(gate);
  const int64_t d = gate.size(1);
  AT_DISPATCH_FLOATING_TYPES(gate.scalar_type(), "gated", [&] {
    for_rows(gate.size(0), d, [&](int64_t begin, int64_t end) {
      const scalar_t *g = gate.data_ptr<scalar_t>() + begin * d, *u = up.data_ptr<scalar_t>() + begin * d;
      scalar_t* out = h.data_ptr<scalar_t>() + begin * d;
      const int64_t n = (end - begin) * d;
      activation == Activation::kSilu ? cpu::swiglu(g, u, n, out) : cpu::geglu(g, u, n, out);
    });
  });
  return h;
}

// (dgate, dup) for dh; dup takes dh's memory.
std::pair<Tensor, Tensor> gated_backward(Activation activation, const Tensor& gate, const Tensor& up,
                                         const Tensor& dh) {
  const Tensor dgate = at::empty_like(gate);
  const int64_t d = gate.size(1);
  AT_DISPATCH_FLOATING_TYPES(gate.scalar_type(), "gated_backward", [&] {
    for_rows(gate.size(0), d, [&](int64_t begin, int64_t end) {
      const scalar_t *g = gate.data_ptr<scalar_t>() + begin * d, *u = up.data_ptr<scalar_t>() + begin * d;
      scalar_t *e = dh.data_ptr<scalar_t>() + begin * d, *dg = dgate.data_ptr<scalar_t>() + begin * d;
      const int64_t n = (end - begin) * d;
      activation == Activation::kSilu ? cpu::swiglu_backward(g, u, e, n, dg, e)
                                      : cpu::geglu_backward(g, u, e, n, dg, e);
    });
  });
  return {dgate, dh};
}

// --- the plain twins ---

Tensor plain_norm(const Tensor& x, const Tensor& weight, double eps) {
  return x * at::rsqrt(x.pow(2).mean(-1, true) + eps) * weight;
}

Tensor plain_gated(Activation activation, const Tensor& gate, const Tensor& up) {
  return (activation == Activation::kSilu ? at::silu(gate) : at::gelu(gate, "tanh")) * up;
}

Tensor plus(const Tensor& residual, const Tensor& y) {
  return residual.defined() ? residual + y : y;
}

Tensor detach_if(const Tensor& t) {
  return t.defined() ? t.detach() : t;
}

Tensor plain_linear(const Tensor& h, const Projection& p, const TokenKeys& keys) {
  Tensor y = at::linear(h, p.weight.to_dense(h.scalar_type()),
                        p.bias.defined() ? std::optional<Tensor>(p.bias) : std::nullopt);
  if (p.lora) {
    const LoraTerm& term = *p.lora;
    const Tensor input = term.dropout == 0
                             ? h
                             : h * dropout_mask(keys, term.dropout_key, term.dropout, h.size(1), h.options());
    y = y + at::linear(at::linear(input, term.A), term.B) * term.scale;
  }
  return y;
}

Tensor lora_tensor(const Projection& p, Tensor LoraTerm::*member) {
  return p.lora ? (*p.lora).*member : Tensor();
}

}  // namespace

std::vector<Tensor> norm_linear(const Tensor& x, const Tensor& norm_weight, double eps,
                                const std::vector<Projection>& projections, const TokenKeys& keys,
                                Backend backend) {
  if (backend == Backend::kReference) {
    const Tensor h = norm_weight.defined() ? plain_norm(x, norm_weight, eps) : x;
    std::vector<Tensor> outputs;
    for (const Projection& p : projections) outputs.push_back(plain_linear(h, p, keys));
    return outputs;
  }
  std::vector<Tensor> inputs{x}, outputs;
  std::vector<Saved> saved;
  const Tensor xd = x.detach().contiguous();
  const bool norm = norm_weight.defined();
  const Tensor rstd = norm ? at::empty({xd.size(0)}, xd.options()) : Tensor();
  {
    const c10::NoGradGuard no_grad;
    const Tensor h = norm ? norm_forward(xd, norm_weight, eps, rstd) : xd;
    for (const Projection& p : projections) {
      saved.push_back(detached(p));
      outputs.push_back(forward(h, p, keys, {}, saved.back()));
      inputs.push_back(lora_tensor(p, &LoraTerm::A));
      inputs.push_back(lora_tensor(p, &LoraTerm::B));
    }
  }
  attach_backward(
      "norm_linear", inputs, outputs,
      [xd, norm_weight, rstd, saved, keys](const auto& gradients, const std::vector<bool>& needed) {
        const Tensor h = norm_weight.defined() ? norm_again(xd, norm_weight, rstd) : xd;
        std::vector<Tensor> result(1 + 2 * saved.size());
        Tensor dh;
        for (size_t i = 0; i < saved.size(); ++i) {
          const LoraGradients g = backward(h, saved[i], gradients[i].contiguous(), keys, needed[0], dh);
          result[1 + 2 * i] = g.A;
          result[2 + 2 * i] = g.B;
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
  if (backend == Backend::kReference) return plus(residual, plain_linear(x, projection, keys));
  Saved saved = detached(projection);
  const Tensor xd = x.detach().contiguous();
  std::vector<Tensor> outputs;
  {
    const c10::NoGradGuard no_grad;
    outputs.push_back(forward(xd, projection, keys, detach_if(residual), saved));
  }
  attach_backward("linear_residual",
                  {x, residual, lora_tensor(projection, &LoraTerm::A), lora_tensor(projection, &LoraTerm::B)},
                  outputs, [xd, saved, keys](const auto& gradients, const std::vector<bool>& needed) {
                    const Tensor dy = gradients[0].contiguous();
                    Tensor dx;
                    const LoraGradients g = backward(xd, saved, dy, keys, needed[0], dx);
                    return std::vector<Tensor>{dx, dy, g.A, g.B};
                  });
  return outputs[0];
}

Tensor gated_linear_residual(Activation activation, const Tensor& gate, const Tensor& up,
                             const Tensor& residual, const Projection& projection, const TokenKeys& keys,
                             Backend backend) {
  if (backend == Backend::kReference)
    return plus(residual, plain_linear(plain_gated(activation, gate, up), projection, keys));
  Saved saved = detached(projection);
  const Tensor gd = gate.detach().contiguous(), ud = up.detach().contiguous();
  std::vector<Tensor> outputs;
  {
    const c10::NoGradGuard no_grad;
    outputs.push_back(forward(gated(activation, gd, ud), projection, keys, detach_if(residual), saved));
  }
  attach_backward(
      "gated_linear_residual",
      {gate, up, residual, lora_tensor(projection, &LoraTerm::A), lora_tensor(projection, &LoraTerm::B)},
      outputs, [activation, gd, ud, saved, keys](const auto& gradients, const std::vector<bool>& needed) {
        const Tensor dy = gradients[0].contiguous();
        const bool need_input = needed[0] || needed[1];
        Tensor dh;
        const LoraGradients g = backward(gated(activation, gd, ud), saved, dy, keys, need_input, dh);
        Tensor dgate, dup;
        if (need_input) std::tie(dgate, dup) = gated_backward(activation, gd, ud, dh);
        return std::vector<Tensor>{dgate, dup, dy, g.A, g.B};
      });
  return outputs[0];
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

Tensor dropout_mask(const TokenKeys& keys, uint64_t dropout_key, double p, int64_t width,
                    const at::TensorOptions& options) {
  const Tensor ones = at::ones({keys.size(0), width}, options.device(at::kCPU));
  Tensor mask = at::empty_like(ones);
  LoraTerm term;
  term.dropout = p;
  term.dropout_key = dropout_key;
  apply_dropout(ones, keys, term, false, mask);
  return mask.to(options.device());
}

}  // namespace lora::ops
