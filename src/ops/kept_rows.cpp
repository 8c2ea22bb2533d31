#include "ops/kept_rows.h"

#include <ATen/ATen.h>

#include "ops/cpu/row_kernels.h"
#include "ops/rows.h"
#include "weights/unpack_kernels.h"

namespace lora::ops {
namespace {

using at::Tensor;

// A double is kept as it is: gradients are checked with them.
bool rounds(at::ScalarType type, MatmulPrecision precision) {
  return type == at::kFloat && precision == MatmulPrecision::kMedium;
}

}  // namespace

KeptRows KeptRows::room_for(const Tensor& x, MatmulPrecision precision) {
  KeptRows kept;
  kept.type_ = x.scalar_type();
  kept.rows_ =
      ops::rounds(kept.type_, precision) ? at::empty(x.sizes(), x.options().dtype(at::kBFloat16)) : x;
  return kept;
}

KeptRows::KeptRows(const Tensor& x, MatmulPrecision precision) : KeptRows(room_for(x, precision)) {
  if (rounds()) for_rows(x.size(0), x.size(1), [&](int64_t begin, int64_t end) { keep(x, begin, end); });
}

void KeptRows::keep(const Tensor& x, int64_t begin, int64_t end) const {
  const int64_t d = rows_.size(1);
  if (rounds())
    cpu::round_to_bfloat16(x.const_data_ptr<float>() + begin * d, (end - begin) * d, bits() + begin * d);
}

void KeptRows::restore(int64_t begin, int64_t end, const Tensor& x) const {
  const int64_t d = rows_.size(1);
  if (rounds())
    kernels::unpack(DType::kBF16, reinterpret_cast<const uint8_t*>(bits() + begin * d),
                    static_cast<size_t>((end - begin) * d), x.data_ptr<float>() + begin * d);
}

Tensor KeptRows::restored() const {
  const Tensor x = room();
  if (rounds()) for_rows(x.size(0), x.size(1), [&](int64_t begin, int64_t end) { restore(begin, end, x); });
  return x;
}

Tensor KeptRows::room() const {
  return rounds() ? at::empty(rows_.sizes(), rows_.options().dtype(type_)) : rows_;
}

uint16_t* KeptRows::bits() const {
  return static_cast<uint16_t*>(rows_.data_ptr());
}

int64_t kept_bytes(MatmulPrecision precision) {
  return rounds(at::kFloat, precision) ? 2 : 4;
}

}  // namespace lora::ops
