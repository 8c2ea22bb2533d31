#include "ops/kept_rows.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace lora::ops {
namespace {

using at::Tensor;

// A double is kept as it is: gradients are checked with them.
bool rounds(at::ScalarType type, MatmulPrecision precision) {
  return type == at::kFloat && precision == MatmulPrecision::kMedium;
}

}  // namespace

KeptRows::KeptRows(const Tensor& x, MatmulPrecision precision)
    : rows_(ops::rounds(x.scalar_type(), precision) ? x.to(at::kBFloat16) : x), type_(x.scalar_type()) {}

KeptRows KeptRows::room_for(const Tensor& x, MatmulPrecision precision) {
  KeptRows kept;
  kept.type_ = x.scalar_type();
  kept.rows_ = ops::rounds(kept.type_, precision) ? at::empty(x.sizes(), x.options().dtype(at::kBFloat16)) : x;
  return kept;
}

void KeptRows::keep(const Tensor& x, int64_t begin, int64_t end) const {
  const c10::NoGradGuard no_grad;  // which threads do not inherit
  if (rounds()) rows_.slice(0, begin, end).copy_(x.slice(0, begin, end));
}

void KeptRows::restore(int64_t begin, int64_t end, const Tensor& x) const {
  const c10::NoGradGuard no_grad;
  if (rounds()) x.slice(0, begin, end).copy_(rows_.slice(0, begin, end));
}

Tensor KeptRows::restored() const {
  return rows_.to(type_);
}

Tensor KeptRows::room() const {
  return rounds() ? at::empty(rows_.sizes(), rows_.options().dtype(type_)) : rows_;
}

int64_t kept_bytes(MatmulPrecision precision) {
  return rounds(at::kFloat, precision) ? 2 : 4;
}

}  // namespace lora::ops
