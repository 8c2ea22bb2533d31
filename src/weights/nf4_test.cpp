// Against bitsandbytes itself: tests/parity/test_bnb_4bit.py.
#include "weights/nf4.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"

namespace lora {
namespace {

std::vector<float> normal(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(n);
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

TEST(Nf4, ABlockByHand) {
  std::vector<float> values(32, 0.0f);
  values[0] = -2;     // the largest: scale 2, code 0
  values[1] = 2;      // code 15
  values[2] = 0.16f;  // 0.08 of the scale: code 8
  values[3] = 1.45f;  // 0.725: code 14
  const FourBitWeight w = quantize_4bit(values, {32}, FourBitType::kNf4, 32);
  EXPECT_EQ(w.packed.size(), 16u);
  EXPECT_EQ(w.packed[0], 0x0f) << "the first element in the high half";
  EXPECT_EQ(w.packed[1], 0x8e);
  EXPECT_EQ(w.packed[2], 0x77) << "zero is exact";
  EXPECT_EQ(w.scales.absmax, std::vector<float>{2.0f});
  std::vector<float> out(32);
  w.dequantize(0, out);
  EXPECT_EQ(out[0], -2.0f);
  EXPECT_EQ(out[2], 2 * 0.07958029955625534f);
  EXPECT_EQ(out[31], 0.0f);
}

TEST(Nf4, EveryCodeValueSurvives) {
  for (const FourBitType type : {FourBitType::kNf4, FourBitType::kFp4}) {
    const auto code = four_bit_code(type);
    std::vector<float> values(64);
    for (size_t i = 0; i < 64; ++i) values[i] = 3 * code[i % 16];
    std::vector<float> out(64);
    quantize_4bit(values, {64}, type).dequantize(0, out);
    for (size_t i = 0; i < 64; ++i) EXPECT_EQ(out[i], code[i % 16] * 3);
  }
}

TEST(Nf4, AnyRangeIsAPieceOfTheWhole) {
  const int64_t rows = 7,
                columns = 45;  // odd rows: ranges begin in the middle of a byte, blocks run over rows
  const FourBitWeight w = quantize_4bit(normal(rows * columns, 1), {rows, columns}, FourBitType::kNf4, 64);
  std::vector<float> whole(rows * columns);
  w.dequantize(0, whole);
  for (int64_t begin = 0; begin < rows; ++begin)
    for (int64_t end = begin; end <= rows; ++end) {
      std::vector<float> part(static_cast<size_t>((end - begin) * columns), NAN);
      w.dequantize_rows(begin, end, part);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + begin * columns))
          << begin << " " << end;
    }
}

TEST(Nf4, NestedScales) {
  BlockScales scales{{2.0f, 4.0f}, std::vector<uint8_t>(300, 1), {0.0f, 0.5f}, 256, 1.5f};
  scales.code.resize(256);
  EXPECT_EQ(scales.size(), 300);
  EXPECT_EQ(scales[0], 2.5f);
  EXPECT_EQ(scales[255], 2.5f);
  EXPECT_EQ(scales[256], 3.5f);
}

TEST(Nf4, RefusesWhatItCannotHold) {
  std::vector<float> values(64, 1.0f);
  for (const int64_t block : {0, 16, 48, 8192, -64})
    EXPECT_THROW(quantize_4bit(values, {64}, FourBitType::kNf4, block), Error) << block;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    values[33] = bad;
    EXPECT_THROW(quantize_4bit(values, {64}, FourBitType::kNf4), Error);
  }
}

TEST(Nf4, BlocksOfZerosStayZero) {
  const std::vector<float> values(130, 0.0f);
  const FourBitWeight w = quantize_4bit(values, {130}, FourBitType::kFp4, 64);
  std::vector<float> out(130, 1.0f);
  w.dequantize(0, out);
  for (const float v : out) EXPECT_EQ(v, 0.0f);
}

}  // namespace
}  // namespace lora
