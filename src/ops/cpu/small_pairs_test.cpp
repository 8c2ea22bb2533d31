// Products of pairs of bfloat16 and how their factors are laid out, against ATen's in float64: sizes that fill no tile and no vector,
// left factors as they lie and turned, results in the middle of a wider matrix.
#include "ops/cpu/small_pairs.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "ops/cpu/pairs.h"
#include "ops/cpu/small_tiles.h"
#include "ops/cpu/tiles.h"

namespace lora::ops::cpu {
namespace {

using at::Tensor;
using pairs::Pair;
using pairs::whole_vectors;

// Parameter: whether on tiles.
class SmallPairs : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!pairs::available()) GTEST_SKIP() << "this processor multiplies no pairs of bfloat16";
    if (GetParam() && !tiles::available()) GTEST_SKIP() << "this processor multiplies no tiles";
    tiles::switch_off(!GetParam());
    at::manual_seed(4);
  }
  void TearDown() override { tiles::switch_off(false); }
  // bfloat16 (rows, columns), columns even: pairs side by side.
  static Tensor drawn(int64_t rows, int64_t columns) { return at::randn({rows, columns}).to(at::kBFloat16); }
  static const Pair* of(const Tensor& x) { return static_cast<const Pair*>(x.const_data_ptr()); }
  static Tensor room(int64_t rows, int64_t columns) {
    return at::full({rows, columns}, std::numeric_limits<float>::quiet_NaN());
  }
  static Pair* of_room(const Tensor& x) { return static_cast<Pair*>(x.data_ptr()); }
  static double error(const Tensor& got, const Tensor& expected) {
    return ((got.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
  }
  // That of the parameter, whichever small_product() would choose.
  static void multiply(int64_t m, int64_t n, int64_t k, const LeftFactor<Pair>& a, const Pair* b,
                       int64_t b_stride, bool accumulate, float* c, int64_t c_stride) {
    if (GetParam())
      tiles::small_product(m, n, k, a, b, b_stride, accumulate, c, c_stride);
    else
      small_product(m, n, k, a, b, b_stride, accumulate, c, c_stride);
  }
};

INSTANTIATE_TEST_SUITE_P(OnVectors, SmallPairs, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(OnTiles, SmallPairs, ::testing::Values(true));

// a b^T, with b turned; and a b, with two rows of b joined.
TEST_P(SmallPairs, TheProductOfTwoMatrices) {
  for (const auto& [m, n, k] :
       {std::array<int64_t, 3>{1, 1, 2}, {5, 64, 6}, {6, 65, 64}, {13, 47, 34}, {32, 130, 128}, {96, 17, 66}})
    for (const bool accumulate : {false, true}) {
      const Tensor a = drawn(m, k + 4), b = drawn(n, k), c = drawn(k, n + n % 2),
                   wide = at::randn({m, n + 9}), before = wide.clone(),
                   left = a.slice(1, 2, 2 + k).to(at::kDouble);
      const LeftFactor<Pair> factor{of(a) + 1, (k + 4) / 2, 1};
      const auto check = [&](const Tensor& right, int64_t stride, const Tensor& product, const char* what) {
        wide.copy_(before);
        multiply(m, n, k / 2, factor, of_room(right), stride, accumulate, wide.data_ptr<float>() + 4,
                 wide.stride(0));
        const Tensor old = before.slice(1, 4, 4 + n).to(at::kDouble);
        EXPECT_LE(error(wide.slice(1, 4, 4 + n), accumulate ? old + product : product), 1e-6)
            << what << ' ' << m << " x " << n << " x " << k;
        EXPECT_TRUE(at::equal(wide.slice(1, 0, 4), before.slice(1, 0, 4)) &&
                    at::equal(wide.slice(1, 4 + n), before.slice(1, 4 + n)));
      };
      const int64_t stride = whole_vectors(n) + 16;
      const Tensor turned = room(k / 2, stride), joined = room(k / 2, stride);
      turn(of(b), k / 2, n, k / 2, of_room(turned), stride);
      check(turned, stride, at::mm(left, b.to(at::kDouble).t()), "turned");
      for (int64_t row = 0; row < k / 2; ++row)
        pairs::join_rows(of(c) + row * c.size(1), of(c) + row * c.size(1) + c.size(1) / 2, n,
                         of_room(joined) + row * stride);
      check(joined, stride, at::mm(left, c.slice(1, 0, n).to(at::kDouble)), "joined");
    }
}

// p^T x, as gradients of keys are summed: p of floats, two of its rows as pairs, an odd number of rows.
TEST_P(SmallPairs, TheTransposeOfALeftFactor) {
  for (const auto& [rows, m, n] : {std::array<int64_t, 3>{1, 3, 16},
                                   {7, 33, 64},
                                   {32, 100, 80},
                                   {33, 5, 48},
                                   {150, 20, 64},
                                   {257, 17, 30}}) {
    const Tensor p = at::randn({rows, m}).to(at::kBFloat16).to(at::kFloat), x = drawn(rows, n),
                 sums = at::zeros({m, n}), left = room((rows + 1) / 2, m),
                 right = room((rows + 1) / 2, whole_vectors(n));
    for (int64_t i = 0; i < rows; i += 2) {
      const bool two = i + 1 < rows;
      const float* row = p.const_data_ptr<float>() + i * m;
      pairs::round_rows(row, two ? row + m : nullptr, m, of_room(left) + i / 2 * m);
      pairs::join_rows(of(x) + i * n / 2, two ? of(x) + (i + 1) * n / 2 : nullptr, n,
                       of_room(right) + i / 2 * whole_vectors(n));
    }
    multiply(m, n, (rows + 1) / 2, LeftFactor<Pair>{of_room(left), 1, m}, of_room(right), whole_vectors(n),
             true, sums.data_ptr<float>(), n);
    EXPECT_LE(error(sums, at::mm(p.to(at::kDouble).t(), x.to(at::kDouble))), 1e-6) << rows << ' ' << m;
  }
}

TEST(Pairs, ARowOfOddLengthEndsWithAZero) {
  if (!pairs::available()) GTEST_SKIP() << "this processor multiplies no pairs of bfloat16";
  for (const int64_t n : {1, 2, 15, 31, 32, 33, 47, 100}) {
    const Tensor x = at::randn({n}),
                 to = at::full({1, (n + 1) / 2 + 1}, std::numeric_limits<float>::quiet_NaN());
    pairs::round_row(x.const_data_ptr<float>(), n, static_cast<Pair*>(to.data_ptr()));
    Tensor expected = at::zeros({(n + 1) / 2 * 2}, at::kBFloat16);
    expected.slice(0, 0, n).copy_(x.to(at::kBFloat16));
    EXPECT_TRUE(at::equal(to.view(at::kBFloat16).flatten().slice(0, 0, expected.size(0)), expected)) << n;
    EXPECT_TRUE(to[0][(n + 1) / 2].isnan().item<bool>()) << "written past its end";
  }
}

}  // namespace
}  // namespace lora::ops::cpu
