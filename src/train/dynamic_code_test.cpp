// The nearest value by table against the nearest of all 256 by looking at each.
#include "train/dynamic_code.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"

namespace lora {
namespace {

class Nearest : public ::testing::TestWithParam<bool> {
 protected:
  // Of two that are equally near the lower one.
  uint8_t by_looking_at_each(float x) const {
    size_t best = 0;
    for (size_t i = 1; i < code_.size(); ++i)
      if (std::abs(x - code_[i]) < std::abs(x - code_[best])) best = i;
    return static_cast<uint8_t>(best);
  }

  const std::array<float, 256> code_ = dynamic_code(GetParam());
  const DynamicCode by_table_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Signed, Nearest, ::testing::Bool());

TEST_P(Nearest, AtEveryValueAndBetween) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < code_.size(); ++i) {
    EXPECT_EQ(by_table_.value(static_cast<uint8_t>(i)), code_[i]);
    const float middle = i + 1 < code_.size() ? (code_[i] + code_[i + 1]) / 2 : 1.5F;
    for (const float x : {code_[i], middle})
      for (const float near : {std::nextafter(x, -infinity), x, std::nextafter(x, infinity)})
        ASSERT_EQ(by_table_.nearest(near), by_looking_at_each(near)) << near;
  }
}

TEST_P(Nearest, OfAnyNumber) {
  Random random(1, 2);
  for (int i = 0; i < 200000; ++i) {
    // As many of each size.
    const double size = std::pow(10.0, -9 * random.uniform());
    const auto x = static_cast<float>(GetParam() && random.below(2) == 0 ? -size : size);
    ASSERT_EQ(by_table_.nearest(x), by_looking_at_each(x)) << x;
  }
  for (const float x : {0.0F, -0.0F, 1.0F, -1.0F, 2.0F, -2.0F, 1e-30F, -1e-30F})
    EXPECT_EQ(by_table_.nearest(x), by_looking_at_each(x)) << x;
}

}  // namespace
}  // namespace lora
