// The thin products of an adapter against ATen's in float64: numbers that are rounded to bfloat16 where they are multiplied as pairs, odd
// sizes, rows that stand apart, gradients of which another part was there before.
#include "ops/low_rank.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ops/cpu/tiles.h"

namespace lora::ops {
namespace {

using at::Tensor;
using Pass = LowRank<float>::Pass;

struct Sizes {
  int64_t rows, in, out, r;
};
constexpr Sizes kSizes[] = {{1, 3, 5, 1}, {33, 47, 64, 8}, {64, 96, 33, 16}, {101, 130, 200, 33}};

double error(const Tensor& got, const Tensor& expected) {
  return ((got.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
}

Tensor rounded(const Tensor& x) {
  return x.to(at::kBFloat16).to(at::kDouble);
}

Tensor exact(const Tensor& x) {
  return x.to(at::kDouble);
}

// of: a number as products see it.
void check(MatmulPrecision precision, Tensor (*of)(const Tensor&)) {
  for (const auto& [rows, in, out, r] : kSizes) {
    at::manual_seed(7);
    SCOPED_TRACE(testing::Message() << rows << ' ' << in << ' ' << out << ' ' << r);
    LoraTerm term;
    term.A = at::randn({r, in});
    term.B = at::randn({out, r});
    term.scale = 1.5;
    const Tensor x = at::randn({rows, in}), wide = at::randn({rows, out + 3}), dy = wide.slice(1, 2, out + 2),
                 u = at::empty({rows, r}), du = at::empty({rows, r}), dA = at::randn({r, in}),
                 dB = at::randn({r, out}), dA_before = exact(dA), dB_before = exact(dB);
    ThinRows<float> x_rows, dy_rows;
    x_rows.read(x.const_data_ptr<float>(), in, rows, in);
    dy_rows.read(dy.const_data_ptr<float>(), out + 3, rows, out);
    LowRank<float>(term, precision, Pass::kForward).forward(x_rows, u.data_ptr<float>());
    EXPECT_LE(error(u, at::mm(of(x), of(term.A).t())), 1e-6);
    for (const bool accumulate : {true, false}) {
      LowRank<float>(term, precision, Pass::kBackward)
          .backward(x_rows, dy_rows, u.const_data_ptr<float>(), accumulate, du.data_ptr<float>(),
                    dA.data_ptr<float>(), dB.data_ptr<float>());
      EXPECT_LE(error(du, at::mm(of(dy), of(term.B)) * 1.5), 1e-6);
      const Tensor sum_A = at::mm(of(du).t(), of(x)), sum_B = at::mm(of(u).t(), of(dy));
      EXPECT_LE(error(dA, accumulate ? sum_A + dA_before : sum_A), 1e-6);
      EXPECT_LE(error(dB, accumulate ? sum_B + dB_before : sum_B), 1e-6);
    }
  }
}

TEST(LowRank, FloatsAreMultipliedInFull) {
  check(MatmulPrecision::kHigh, exact);
}

TEST(LowRank, WithMediumOnTilesNumbersAreRounded) {
  if (!cpu::tiles::available()) GTEST_SKIP() << "this processor multiplies no tiles";
  ASSERT_TRUE(low_rank_in_pairs<float>(MatmulPrecision::kMedium));
  check(MatmulPrecision::kMedium, rounded);
}

TEST(LowRank, RowsThatAreReadNextAreRoundedAnew) {
  if (!cpu::tiles::available()) GTEST_SKIP() << "this processor multiplies no tiles";
  LoraTerm term;
  term.A = at::ones({4, 32});
  const LowRank<float> adapter(term, MatmulPrecision::kMedium, Pass::kForward);
  ThinRows<float> rows;
  const Tensor ones = at::ones({2, 32}), twos = ones * 2, u = at::empty({2, 4});
  for (const Tensor& x : {ones, twos}) {
    rows.read(x.const_data_ptr<float>(), 32, 2, 32);
    adapter.forward(rows, u.data_ptr<float>());
    EXPECT_TRUE(at::equal(u, at::mm(x, term.A.t())));
  }
}

}  // namespace
}  // namespace lora::ops
