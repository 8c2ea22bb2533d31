#include "ops/lora_product.h"

#include <ATen/ATen.h>

#include "base/hash.h"
#include "base/profile.h"
#include "ops/cpu/kernels.h"
#include "ops/frozen_linear.h"
#include "ops/rows.h"

namespace lora::ops {
namespace {

using at::Tensor;

// y (T, d) = mask * x, or y += mask * x.
void apply_dropout(const Tensor& x, const TokenKeys& keys, const LoraTerm& term, bool accumulate,
                   const Tensor& y) {
  const ProfilePart part("dropout");
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

void add_low_rank(const SavedProjection& saved, Tensor& y) {
  const ProfilePart part("adapter");
  if (saved.lora) y.addmm_(saved.u, saved.lora->B.t(), 1, saved.lora->scale);
}

void add_of_rows(const Tensor& h, const std::vector<LoraRows>& of_rows, const Tensor& y) {
  for (const auto& [begin, end, term] : of_rows)
    y.slice(0, begin, end).addmm_(at::mm(h.slice(0, begin, end), term.A.t()), term.B.t(), 1, term.scale);
}

}  // namespace

SavedProjection::SavedProjection(const Projection& projection)
    : weight(projection.weight),
      bias(projection.bias),
      lora(projection.lora),
      lora_of_rows(projection.lora_of_rows) {
  if (!lora) return;
  lora->A = lora->A.detach();
  lora->B = lora->B.detach();
}

void low_rank_forward(const Tensor& h, SavedProjection& saved, const TokenKeys& keys) {
  const ProfilePart part("adapter");
  if (saved.lora) saved.u = at::mm(lora_input(h, *saved.lora, keys), saved.lora->A.t());
}

Tensor product_forward(const Tensor& h, SavedProjection& saved, const TokenKeys& keys,
                       const Tensor& residual) {
  Tensor y = frozen_linear(h, saved.weight, residual.defined() ? residual : saved.bias);
  if (residual.defined() && saved.bias.defined()) y.add_(saved.bias);
  low_rank_forward(h, saved, keys);
  add_low_rank(saved, y);
  add_of_rows(h, saved.lora_of_rows, y);
  return y;
}

Tensor product_again(const Tensor& h, const SavedProjection& saved) {
  Tensor y = frozen_linear(h, saved.weight, saved.bias);
  add_low_rank(saved, y);
  return y;
}

LoraGradients product_backward(const Tensor& h, const SavedProjection& saved, const Tensor& dy,
                               const TokenKeys& keys, bool need_dh, Tensor& dh) {
  if (need_dh) {
    const bool fresh = !dh.defined();
    if (fresh) dh = at::empty_like(h);
    frozen_linear_transposed_out(dy, saved.weight, !fresh, dh);
  }
  if (!saved.lora) return {};
  const ProfilePart part("adapter");
  const LoraTerm& term = *saved.lora;
  const Tensor du = at::mm(dy, term.B).mul_(term.scale);  // (T, r)
  LoraGradients gradients;
  gradients.B =
      at::mm(saved.u.t(), dy).mul_(term.scale).t();  // faster this way round: dy is read along its rows
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

Tensor plain_product(const Tensor& h, const Projection& p, const TokenKeys& keys) {
  Tensor y = at::linear(h, p.weight.to_dense(h.scalar_type()),
                        p.bias.defined() ? std::optional<Tensor>(p.bias) : std::nullopt);
  if (p.lora) {
    const LoraTerm& term = *p.lora;
    const Tensor input = term.dropout == 0
                             ? h
                             : h * dropout_mask(keys, term.dropout_key, term.dropout, h.size(1), h.options());
    y = y + at::linear(at::linear(input, term.A), term.B) * term.scale;
  }
  for (const auto& [begin, end, term] : p.lora_of_rows)
    y.slice(0, begin, end).add_(at::linear(at::linear(h.slice(0, begin, end), term.A), term.B) * term.scale);
  return y;
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
