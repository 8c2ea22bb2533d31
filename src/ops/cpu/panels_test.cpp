// Products with panels against ATen's in float64, on every instruction set: sizes that fill no tile and no panel, runs and passes
// that end anywhere, several factors, results in the middle of a wider matrix.
#include "ops/cpu/panels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <array>
#include <bit>
#include <limits>

#include "ops/cpu/pairs.h"
#include "ops/cpu/tiles.h"

namespace lora::ops::cpu {
namespace {

using at::Tensor;

template <class T>
class Panels : public ::testing::Test {
 protected:
  static constexpr at::ScalarType kType = c10::CppTypeToScalarType<T>::value;
  static Tensor randn(at::IntArrayRef shape) { return at::randn(shape, at::TensorOptions().dtype(kType)); }

  // Panels that hold no number but those that are packed: what does not exist must not matter.
  Tensor room(int64_t k, int64_t n) const {
    return at::full({panel_numbers<T>(k, n, precision)}, std::numeric_limits<double>::quiet_NaN(),
                    at::TensorOptions().dtype(kType));
  }
  Tensor pack(const Tensor& w, double scale) const {  // w (k, n), by rows
    const Tensor panels = room(w.size(0), w.size(1)), scaled = (w * scale).contiguous();
    for (int64_t row = 0, step = panel_step<T>(precision); row < w.size(0); row += step)
      pack_rows(scaled.const_data_ptr<T>() + row * w.size(1), w.size(1), std::min(step, w.size(0) - row),
                w.size(1), row, w.size(0), precision, panels.template data_ptr<T>());
    return panels;
  }
  Tensor pack_transposed(const Tensor& w, double scale) const {  // the same, from its transpose
    const int64_t k = w.size(0), n = w.size(1);
    const Tensor panels = room(k, n), turned = at::zeros({n, k + 3}, w.options());
    turned.slice(1, 0, k).copy_(w.t());
    for (int64_t column = 0, step = panel_step<T>(precision); column < n; column += step)
      pack_turned(turned.const_data_ptr<T>() + column * (k + 3), k + 3, std::min(step, n - column), k,
                  static_cast<T>(scale), column, precision, panels.template data_ptr<T>());
    return panels;
  }
  MatmulPrecision precision = MatmulPrecision::kHighest;
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Panels, Types);

TYPED_TEST(Panels, SumsOfProductsOnEveryInstructionSet) {
  at::manual_seed(2);
  using T = TypeParam;
  struct Way {
    int64_t target;  // 0: nothing switched off
    MatmulPrecision precision;
    bool by_tiles = false;
  };
  std::vector<Way> ways;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets())
    ways.push_back({target, MatmulPrecision::kHighest});
  EXPECT_GE(ways.size(), 2u);
  for (const MatmulPrecision precision : kMatmulPrecisions)
    if (tiles::available()) ways.push_back({0, precision, true});
  if (pairs::available()) ways.push_back({0, MatmulPrecision::kMedium});
  for (const auto& [target, precision, by_tiles] : ways) {
    this->precision = precision;
    // Of the result; with kHigh of what is added up, where each product may err by 2^-15. With kMedium numbers are bfloat16 already.
    const bool high = precision == MatmulPrecision::kHigh;
    const double tolerance = sizeof(T) == 8 ? 1e-14 : high ? 3.1e-5 : 2e-6;
    tiles::switch_off(!by_tiles);
    hwy::SetSupportedTargetsForTest(target);
    for (const auto& [m, n, k, more] : {std::array<int64_t, 4>{1, 1, 1, 1},
                                        {5, 64, 288, 16},
                                        {6, 65, 289, 7},
                                        {7, 31, 1024, 16},
                                        {13, 130, 2350, 16},
                                        {33, 96, 96, 32},
                                        {48, 64, 33, 48},
                                        {64, 200, 37, 1030}}) {
      const auto drawn = [&](at::IntArrayRef shape) {
        const Tensor t = this->randn(shape);
        return precision == MatmulPrecision::kMedium ? t.to(at::kBFloat16).to(t.scalar_type()) : t;
      };
      const Tensor a = drawn({m, k + 5}), b = drawn({m, more}), w = drawn({k, n}), v = drawn({more, n}),
                   wide = this->randn({m, n + 9}), before = wide.clone();
      const Tensor w_panels = this->pack(w, 1), v_panels = this->pack_transposed(v, -0.5);
      const Tensor space = at::empty({product_room<T>(m, precision)}, a.options());
      const std::array<PanelFactor<T>, 2> factors{
          {{a.const_data_ptr<T>() + 2, a.stride(0), k, w_panels.template const_data_ptr<T>()},
           {b.const_data_ptr<T>(), more, more, v_panels.template const_data_ptr<T>()}}};
      const auto wide_of = [](const Tensor& t) { return t.to(at::kDouble); };
      const Tensor sum =
          at::mm(wide_of(a.slice(1, 2, 2 + k)), wide_of(w)) - at::mm(wide_of(b), wide_of(v)) * 0.5;
      const Tensor added = at::mm(wide_of(a.slice(1, 2, 2 + k)).abs(), wide_of(w).abs()) +
                           at::mm(wide_of(b).abs(), wide_of(v).abs()) * 0.5;
      for (const bool accumulate : {true, false}) {
        panel_product(std::span<const PanelFactor<T>>(factors), m, n, accumulate,
                      wide.template data_ptr<T>() + 4, wide.stride(0), precision,
                      space.template data_ptr<T>());
        const Tensor expected = accumulate ? sum + wide_of(before.slice(1, 4, 4 + n)) : sum;
        const Tensor& scale = high ? added : expected;
        EXPECT_LE(
            ((wide_of(wide.slice(1, 4, 4 + n)) - expected).norm() / scale.norm()).template item<double>(),
            tolerance)
            << m << " x " << n << " x " << k << " + " << more << ", "
            << (target == 0 ? precision_name(precision) : hwy::TargetName(target))
            << (by_tiles ? ", tiles" : "");
        EXPECT_TRUE(at::equal(wide.slice(1, 0, 4), before.slice(1, 0, 4)) &&
                    at::equal(wide.slice(1, 4 + n), before.slice(1, 4 + n)));
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
  tiles::switch_off(false);
}

// x (m, k) times w (k, n) in panels.
Tensor product(const Tensor& x, const Tensor& w, MatmulPrecision precision) {
  const int64_t m = x.size(0), k = w.size(0), n = w.size(1);
  const Tensor panels = at::empty({panel_numbers<float>(k, n, precision)}),
               room = at::empty({product_room<float>(m, precision)}), c = at::empty({m, n});
  for (int64_t row = 0, step = panel_step<float>(precision); row < k; row += step)
    pack_rows(w.const_data_ptr<float>() + row * n, n, std::min(step, k - row), n, row, k, precision,
              panels.data_ptr<float>());
  const PanelFactor<float> factor{x.const_data_ptr<float>(), k, k, panels.const_data_ptr<float>()};
  panel_product(std::span(&factor, 1), m, n, false, c.data_ptr<float>(), n, precision,
                room.data_ptr<float>());
  return c;
}

TEST(PanelProduct, NoRowsAreNoWork) {
  for (const MatmulPrecision precision : kMatmulPrecisions)
    for (const bool without_tiles : {false, true}) {
      tiles::switch_off(without_tiles);
      EXPECT_EQ(product(at::empty({0, 20}), at::randn({20, 70}), precision).numel(), 0);
    }
  tiles::switch_off(false);
}

// The largest relative error of a row.
double error(const Tensor& c, const Tensor& x, const Tensor& w) {
  const Tensor exact = at::mm(x.to(at::kDouble), w.to(at::kDouble));
  return ((c.to(at::kDouble) - exact).norm(2, 1) / exact.norm(2, 1)).max().item<double>();
}

// Tiles leave out parts that are 0: none of a third, one of a float16, two of a bfloat16. Whichever, sums are those of floats, and what
// is not finite stays so.
TEST(PanelsOfTiles, AreAsExactAsFloats) {
  if (!tiles::available()) GTEST_SKIP() << "this processor multiplies no tiles";
  at::manual_seed(3);
  const int64_t m = 37, k = 1536, n = 70;
  const Tensor x = at::randn({m, k}) * at::pow(10, at::randint(-6, 6, {m, 1}).to(at::kFloat));
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const Tensor w = at::randn({k, n}).to(type).to(at::kFloat);
    const double by_tiles = error(product(x, w, MatmulPrecision::kHighest), x, w),
                 by_floats = error(at::mm(x, w), x, w),
                 high = error(product(x, w, MatmulPrecision::kHigh), x, w),
                 medium = error(product(x, w, MatmulPrecision::kMedium), x, w);
    EXPECT_LE(by_tiles, 2 * by_floats) << at::toString(type);
    EXPECT_LE(by_tiles, 1e-6) << at::toString(type);
    // What MatmulPrecision promises; and that it is another way.
    EXPECT_LE(high, 8e-6) << at::toString(type);
    EXPECT_GE(high, 1e-6) << at::toString(type);
    EXPECT_LE(medium, 4e-3) << at::toString(type);
    EXPECT_GE(medium, 1e-3) << at::toString(type);
  }
}

void expect_that_what_is_not_finite_stays_so(MatmulPrecision precision) {
  const Tensor x = at::randn({37, 100});
  // A NaN with all its bits set, too: one that a carry could make a zero.
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(),
                          std::bit_cast<float>(0x7fffffffu)}) {
    Tensor spoilt = x.clone();
    spoilt[5][77] = bad;
    const Tensor c = product(spoilt, at::rand({100, 70}) + 0.5, precision);
    EXPECT_FALSE(at::isfinite(c[5]).any().item<bool>());
    EXPECT_TRUE(at::isfinite(at::cat({c.slice(0, 0, 5), c.slice(0, 6)})).all().item<bool>());
  }
}

TEST(PanelsOfTiles, KeepWhatIsNotFinite) {
  if (!tiles::available()) GTEST_SKIP() << "this processor multiplies no tiles";
  for (const MatmulPrecision precision : kMatmulPrecisions)
    expect_that_what_is_not_finite_stays_so(precision);
}

TEST(PanelsOfPairs, AreOfMediumPrecisionAndKeepWhatIsNotFinite) {
  if (!pairs::available()) GTEST_SKIP() << "this processor's vectors multiply no pairs of bfloat16";
  tiles::switch_off(true);
  at::manual_seed(3);
  const Tensor x = at::randn({37, 1536}), w = at::randn({1536, 70});
  const double medium = error(product(x, w, MatmulPrecision::kMedium), x, w),
               high = error(product(x, w, MatmulPrecision::kHigh), x, w);
  EXPECT_LE(medium, 4e-3);
  EXPECT_GE(medium, 1e-3);
  EXPECT_LE(high, 1e-6);  // by floats
  // Numbers that are bfloat16 already lose nothing.
  const auto round = [](const Tensor& t) { return t.to(at::kBFloat16).to(at::kFloat); };
  EXPECT_LE(error(product(round(x), round(w), MatmulPrecision::kMedium), round(x), round(w)), 1e-6);
  expect_that_what_is_not_finite_stays_so(MatmulPrecision::kMedium);
  tiles::switch_off(false);
}

}  // namespace
}  // namespace lora::ops::cpu
