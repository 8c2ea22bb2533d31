#include "ops/head_loss.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/profile.h"
#include "ops/cpu/kernels.h"
#include "ops/differentiable.h"
#include "ops/frozen_linear.h"
#include "ops/rows.h"

namespace lora::ops {
namespace {

using at::Tensor;

// Rows a chunk: logits of about 64 MiB in float32, so that a vocabulary of 262k costs no more memory than one of 32k.
int64_t chunk_rows(int64_t vocab) {
  return std::clamp<int64_t>((int64_t{16} << 20) / vocab, 16, 512);
}

// logits (n, vocab), fresh from the head, in place: the gradient of each row's nll by them.
// Without a cap, all but the factor shape.scale.
template <class T>
void softmax_cross_entropy(const Tensor& logits, const HeadShape& shape, const int64_t* targets, T* nll) {
  const int64_t vocab = logits.size(1);
  const T scale = static_cast<T>(shape.scale), softcap = static_cast<T>(shape.softcap);
  T* data = logits.data_ptr<T>();
  for_rows(logits.size(0), vocab, [&](int64_t begin, int64_t end) {
    std::vector<T> slope(softcap > 0 ? static_cast<size_t>(vocab) : 0);
    for (int64_t i = begin; i < end; ++i) {
      T* row = data + i * vocab;
      if (softcap > 0) cpu::softcap(row, vocab, scale, softcap, slope.data());
      const T row_scale = softcap > 0 ? T{1} : scale;
      const T target_logit = row[targets[i]] * row_scale;
      nll[i] = cpu::softmax_row(row, vocab, row_scale) - target_logit;
      row[targets[i]] -= T{1};
      if (softcap > 0) cpu::multiply(slope.data(), vocab, row);
    }
  });
}

HeadLoss fused(const Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape,
               const Tensor& targets, const Tensor& row_weights) {
  const bool differentiate = any_requires_grad({hidden});
  const Tensor h = hidden.detach().contiguous();
  const Tensor nll = at::empty({h.size(0)}, h.options());
  Tensor dh;
  {
    const c10::NoGradGuard no_grad;
    if (differentiate) dh = at::empty_like(h);
    const int64_t step = chunk_rows(weight.rows());
    Tensor buffer = at::empty({std::min(step, std::max<int64_t>(h.size(0), 1)), weight.rows()}, h.options());
    for (int64_t begin = 0; begin < h.size(0); begin += step) {
      const int64_t end = std::min(begin + step, h.size(0));
      Tensor logits = buffer.slice(0, 0, end - begin);
      frozen_linear_out(h.slice(0, begin, end), weight, {}, logits);
      AT_DISPATCH_FLOATING_TYPES(h.scalar_type(), "head_loss", [&] {
        softmax_cross_entropy<scalar_t>(logits, shape, targets.data_ptr<int64_t>() + begin,
                                        nll.data_ptr<scalar_t>() + begin);
      });
      if (differentiate)
        frozen_linear_transposed_out(logits, weight, /*accumulate=*/false, dh.slice(0, begin, end));
    }
    if (differentiate) {
      dh.mul_(row_weights.unsqueeze(1));
      if (shape.softcap == 0 && shape.scale != 1) dh.mul_(shape.scale);
    }
  }
  std::vector<Tensor> outputs{at::dot(nll, row_weights)};
  attach_backward("head_loss", {hidden}, outputs, [dh](const auto& gradients, const auto&) {
    return std::vector<Tensor>{dh * gradients[0]};
  });
  return {outputs[0], nll};
}

}  // namespace

int64_t head_loss_bytes(int64_t rows, int64_t hidden, int64_t vocab, bool differentiate,
                        int64_t number_bytes) {
  const int64_t chunk = std::min(chunk_rows(vocab), std::max<int64_t>(rows, 1));
  return (chunk * vocab + (differentiate ? rows * hidden : 0) + rows) * number_bytes;
}

HeadLoss head_loss(const Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape,
                   const Tensor& targets, const Tensor& row_weights, Backend backend) {
  const ProfileScope scope("head_loss");
  if (backend == Backend::kFused) return fused(hidden, weight, shape, targets, row_weights);
  const Tensor log_p = at::log_softmax(head_logits(hidden, weight, shape), -1);
  const Tensor nll = -log_p.gather(1, targets.unsqueeze(1)).squeeze(1);
  return {at::dot(nll, row_weights), nll.detach()};
}

Tensor head_logits(const Tensor& hidden, const FrozenMatrix& weight, const HeadShape& shape) {
  Tensor logits = weight.is_packed() && hidden.is_cpu() && !any_requires_grad({hidden})
                      ? frozen_linear(hidden.contiguous(), weight, {})
                      : at::linear(hidden, dense_for(hidden, weight));
  if (shape.scale != 1) logits = logits * shape.scale;
  if (shape.softcap > 0) logits = at::tanh(logits / shape.softcap) * shape.softcap;
  return logits;
}

}  // namespace lora::ops
