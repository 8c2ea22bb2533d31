// What is kept, against ATen's rounding, on every instruction set.
#include "ops/kept_rows.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <limits>

namespace lora::ops {
namespace {

using at::Tensor;

Tensor numbers(int64_t rows, int64_t columns) {
  Tensor x = at::randn({rows, columns});
  float* at = x.data_ptr<float>();
  // Halfway between two bfloat16, up and down; what rounds up to infinity; what is not finite or not normal.
  for (const float special :
       {1.00390625f, 1.01171875f, -1.00390625f, 3.4e38f, 1e-40f, -0.0f,
        std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN()}) {
    if (at == x.data_ptr<float>() + x.numel()) break;
    *at++ = special;
  }
  return x;
}

bool same(const Tensor& a, const Tensor& b) {
  return at::equal(a.isnan(), b.isnan()) && at::equal(a.nan_to_num(), b.nan_to_num());
}

TEST(KeptRows, MediumKeepsTheNearestBfloat16) {
  at::manual_seed(3);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{1, 3}, {3, 5}, {70, 37}, {300, 576}}) {
      const Tensor x = numbers(rows, columns), expected = x.to(at::kBFloat16).to(at::kFloat);
      const KeptRows kept(x, MatmulPrecision::kMedium);
      EXPECT_EQ(kept.rows().scalar_type(), at::kBFloat16);
      EXPECT_TRUE(same(kept.restored(), expected))
          << hwy::TargetName(target) << ' ' << rows << ' ' << columns;

      // Some rows at a time, in any order.
      const KeptRows slowly = KeptRows::room_for(x, MatmulPrecision::kMedium);
      const Tensor room = slowly.room();
      EXPECT_EQ(room.scalar_type(), at::kFloat);
      for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{rows / 2, rows}, {0, rows / 2}}) {
        slowly.keep(x, begin, end);
        slowly.restore(begin, end, room);
      }
      EXPECT_TRUE(same(room, expected));
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(KeptRows, AllBitsElse) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble})
    for (const MatmulPrecision precision : kMatmulPrecisions) {
      if (type == at::kFloat && precision == MatmulPrecision::kMedium) continue;
      const Tensor x = at::randn({4, 5}, type);
      const KeptRows kept(x, precision);
      EXPECT_TRUE(kept.restored().is_same(x)) << "without a copy";
      EXPECT_TRUE(kept.room().is_same(x));
    }
  EXPECT_EQ(kept_bytes(MatmulPrecision::kMedium), 2);
  EXPECT_EQ(kept_bytes(MatmulPrecision::kHigh), 4);
  EXPECT_FALSE(KeptRows().defined());
}

}  // namespace
}  // namespace lora::ops
