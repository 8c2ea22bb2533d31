#include "train/dynamic_code.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace lora {
namespace {

// The middles of `count` equal parts of [0.1, 1].
std::vector<float> middles(int count) {
  const auto boundary = [&](int i) { return static_cast<float>(0.1 + 0.9 * i / count); };
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back((boundary(i) + boundary(i + 1)) / 2);
  return values;
}

}  // namespace

// Seven decades, the smallest with 1 (signed) or 2 values between 0.1 and 1 of it, each next with twice as many; then
// 0 and 1.
std::array<float, 256> dynamic_code(bool is_signed) {
  std::vector<float> values;
  for (int i = 0; i < 7; ++i) {
    const double decade = std::pow(10.0, i - 6);
    for (const float middle : middles((is_signed ? 1 : 2) << i)) {
      values.push_back(static_cast<float>(decade * middle));
      if (is_signed) values.push_back(static_cast<float>(-decade * middle));
    }
  }
  values.push_back(0);
  values.push_back(1);
  std::ranges::sort(values);
  std::array<float, 256> code{};
  std::ranges::copy(values, code.begin());
  return code;
}

DynamicCode::DynamicCode(bool is_signed) {
  const std::array<float, 256> code = dynamic_code(is_signed);
  std::ranges::copy(code, values_.begin());
  values_[256] = std::numeric_limits<float>::infinity();
  for (uint32_t sign = 0; sign < 2; ++sign)
    for (uint32_t place = 0; place < kPlaces; ++place) {
      // The lowest number of the place: the nearest to 0 of positive ones, the farthest from it of negative ones.
      const bool outermost = place + 1 == kPlaces;
      const uint32_t inner = place == 0 ? 0 : (kFirst + place) << kShift,
                     outer = outermost ? inner : ((kFirst + place + 1) << kShift) - 1;
      const float lowest = sign == 0 ? std::bit_cast<float>(inner) : -std::bit_cast<float>(outer);
      const auto above = std::upper_bound(code.begin(), code.end(), lowest);
      starts_[sign][place] = static_cast<uint8_t>(above == code.begin() ? 0 : above - code.begin() - 1);
    }
}

}  // namespace lora
