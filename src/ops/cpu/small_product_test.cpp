// Small products and the transpose against ATen's in float64, on every instruction set: sizes that fill no tile and no vector, left
// factors as they lie and turned, results in the middle of a wider matrix.
#include "ops/cpu/small_product.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <array>

namespace lora::ops::cpu {
namespace {

using at::Tensor;

template <class T>
class SmallProduct : public ::testing::Test {
 protected:
  static Tensor randn(at::IntArrayRef shape) {
    return at::randn(shape, at::TensorOptions().dtype(c10::CppTypeToScalarType<T>::value));
  }
  ~SmallProduct() override { hwy::SetSupportedTargetsForTest(0); }
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SmallProduct, Types);

TYPED_TEST(SmallProduct, IsTheProduct) {
  using T = TypeParam;
  at::manual_seed(4);
  const double tolerance = sizeof(T) == 8 ? 1e-14 : 1e-6;
  const auto exact = [](const Tensor& t) { return t.to(at::kDouble); };
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 1, 1},
                                  {2, 64, 96},
                                  {5, 80, 257},
                                  {6, 65, 64},
                                  {7, 31, 600},
                                  {13, 130, 33},
                                  {96, 117, 64}})
      for (const bool turned : {false, true})
        for (const bool accumulate : {false, true}) {
          const Tensor a = turned ? this->randn({k, m + 3}).slice(1, 2, 2 + m).t()
                                  : this->randn({m, k + 3}).slice(1, 2, 2 + k);
          const Tensor b = this->randn({k, n + 5}).slice(1, 1, 1 + n), wide = this->randn({m, n + 9}),
                       before = wide.clone();
          small_product(m, n, k, LeftFactor<T>{a.const_data_ptr<T>(), a.stride(0), a.stride(1)},
                        b.template const_data_ptr<T>(), b.stride(0), accumulate,
                        wide.template data_ptr<T>() + 4, wide.stride(0));
          Tensor expected = at::mm(exact(a), exact(b));
          if (accumulate) expected += exact(before.slice(1, 4, 4 + n));
          EXPECT_LE(
              ((exact(wide.slice(1, 4, 4 + n)) - expected).norm() / expected.norm()).template item<double>(),
              tolerance)
              << m << " x " << n << " x " << k << (turned ? ", turned, " : ", ") << hwy::TargetName(target);
          EXPECT_TRUE(at::equal(wide.slice(1, 0, 4), before.slice(1, 0, 4)) &&
                      at::equal(wide.slice(1, 4 + n), before.slice(1, 4 + n)));
        }
  }
}

TYPED_TEST(SmallProduct, TurnIsTheTranspose) {
  using T = TypeParam;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    for (const auto& [rows, columns] :
         {std::array<int64_t, 2>{1, 1}, {4, 4}, {64, 64}, {7, 5}, {30, 66}, {2, 9}}) {
      const Tensor x = this->randn({rows, columns + 3}), wide = this->randn({columns, rows + 6}),
                   before = wide.clone();
      turn(x.template const_data_ptr<T>() + 1, x.stride(0), rows, columns, wide.template data_ptr<T>() + 2,
           wide.stride(0));
      EXPECT_TRUE(at::equal(wide.slice(1, 2, 2 + rows), x.slice(1, 1, 1 + columns).t()))
          << rows << " x " << columns << ", " << hwy::TargetName(target);
      EXPECT_TRUE(at::equal(wide.slice(1, 0, 2), before.slice(1, 0, 2)) &&
                  at::equal(wide.slice(1, 2 + rows), before.slice(1, 2 + rows)));
    }
  }
}

}  // namespace
}  // namespace lora::ops::cpu
