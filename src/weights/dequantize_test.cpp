// Blocks worked out by hand, and refusals. The comparison with gguf-py over random blocks of every type is
// tests/parity/test_gguf_types.py.
#include "weights/dequantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

namespace lora {
namespace {

constexpr uint16_t kOne = 0x3c00, kTwo = 0x4000, kMinusHalf = 0xb800;  // fp16

std::vector<float> floats(DType dtype, const std::vector<uint8_t>& bytes, size_t n) {
  std::vector<float> out(n, -999.f);
  dequantize(dtype, std::as_bytes(std::span(bytes)), out);
  return out;
}

void put(std::vector<uint8_t>& bytes, size_t at, uint16_t half) {
  std::memcpy(&bytes[at], &half, 2);
}

TEST(Dequantize, PlainTypes) {
  std::vector<uint8_t> bytes(8);
  put(bytes, 0, kTwo);
  put(bytes, 2, kMinusHalf);
  put(bytes, 4, 0x0001);  // the smallest subnormal
  put(bytes, 6, 0xfc00);
  EXPECT_EQ(floats(DType::kF16, bytes, 4), (std::vector<float>{2.f, -.5f, 0x1p-24f, -INFINITY}));
  put(bytes, 0, 0x8000);
  put(bytes, 2, 0x7e00);
  const auto odd = floats(DType::kF16, bytes, 4);
  EXPECT_TRUE(odd[0] == 0 && std::signbit(odd[0]));
  EXPECT_TRUE(std::isnan(odd[1]));
  put(bytes, 0, 0x3fc0);
  EXPECT_EQ(floats(DType::kBF16, {bytes.begin(), bytes.begin() + 2}, 1)[0], 1.5f);
}

TEST(Dequantize, FourBitBlocks) {
  std::vector<uint8_t> q4_0(18), q4_1(20);
  put(q4_0, 0, kTwo);
  q4_0[2] = 0xf0;  // element 0: 0 - 8; element 16: 15 - 8
  auto out = floats(DType::kQ4_0, q4_0, 32);
  EXPECT_EQ(out[0], -16.f);
  EXPECT_EQ(out[16], 14.f);
  EXPECT_EQ(out[1], -16.f);
  put(q4_1, 0, kTwo);
  put(q4_1, 2, kMinusHalf);
  q4_1[19] = 0x3a;  // elements 15 and 31
  out = floats(DType::kQ4_1, q4_1, 32);
  EXPECT_EQ(out[15], 19.5f);
  EXPECT_EQ(out[31], 5.5f);
  EXPECT_EQ(out[0], -.5f);
}

TEST(Dequantize, FiveBitBlocks) {
  std::vector<uint8_t> q5_0(22), q5_1(24);
  put(q5_0, 0, kOne);
  q5_0[2] = 0x02;   // fifth bit of element 1
  q5_0[5] = 0x80;   // and of element 31
  q5_0[7] = 0x05;   // element 1: 5, element 17: 0
  q5_0[21] = 0x70;  // element 31: 7
  auto out = floats(DType::kQ5_0, q5_0, 32);
  EXPECT_EQ(out[1], 5.f);
  EXPECT_EQ(out[17], -16.f);
  EXPECT_EQ(out[31], 7.f);
  EXPECT_EQ(out[0], -16.f);
  put(q5_1, 0, kOne);
  put(q5_1, 2, kMinusHalf);
  q5_1[4] = 0x01;
  q5_1[8] = 0x03;
  out = floats(DType::kQ5_1, q5_1, 32);
  EXPECT_EQ(out[0], 18.5f);
  EXPECT_EQ(out[1], -.5f);
}

TEST(Dequantize, EightBitBlocks) {
  std::vector<uint8_t> bytes(68);
  put(bytes, 0, kTwo);
  put(bytes, 34, kMinusHalf);
  bytes[2] = 0x80;
  bytes[67] = 10;
  const auto out = floats(DType::kQ8_0, bytes, 64);
  EXPECT_EQ(out[0], -256.f);
  EXPECT_EQ(out[63], -5.f);
}

TEST(Dequantize, SuperBlocks) {
  std::vector<uint8_t> q4(144), q5(176), q6(210);
  put(q4, 0, kOne);
  put(q4, 2, kTwo);
  q4[4] = 3 | 0x40;    // scale 0 is 3; the top bits of scale 4 are 1
  q4[8] = 5 | 0x80;    // minimum 0 is 5; the top bits of minimum 4 are 2
  q4[12] = 0x21;       // scale 4: 16 + 1, minimum 4: 32 + 2
  q4[16] = 0x07;       // element 0: 7
  q4[16 + 64] = 0x0b;  // element 128, the first of sub-block 4: 11
  auto out = floats(DType::kQ4_K, q4, 256);
  EXPECT_EQ(out[0], 3.f * 7 - 2.f * 5);
  EXPECT_EQ(out[128], 17.f * 11 - 2.f * 34);
  EXPECT_EQ(out[32], 0.f);

  std::copy_n(q4.begin(), 16, q5.begin());
  q5[16] = 0x10;  // the fifth bit of element 0 of sub-block 4
  q5[48] = 0x07;
  q5[48 + 64] = 0x0b;
  out = floats(DType::kQ5_K, q5, 256);
  EXPECT_EQ(out[0], 3.f * 7 - 2.f * 5);
  EXPECT_EQ(out[128], 17.f * (11 + 16) - 2.f * 34);

  put(q6, 208, kTwo);
  q6[0] = 0x5f;           // low bits: element 0: 15, element 64: 5
  q6[128] = 0x03 | 0x10;  // high bits: element 0: 3, element 64: 1
  q6[192] = 2;            // scale of elements 0-15
  q6[192 + 4] = 0xff;     // of elements 64-79: -1
  out = floats(DType::kQ6_K, q6, 256);
  EXPECT_EQ(out[0], 2.f * 2 * (63 - 32));
  EXPECT_EQ(out[64], 2.f * -1 * (21 - 32));
}

TEST(Dequantize, RefusesByName) {
  for (const DType dtype : {DType::kQ2_K, DType::kIQ4_NL, DType::kI32, DType::kMXFP4, DType::kBool}) {
    EXPECT_FALSE(can_dequantize(dtype));
    try {
      floats(dtype, {}, 0);
      ADD_FAILURE();
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(dtype_name(dtype)), std::string::npos) << e.what();
    }
  }
  EXPECT_THROW(floats(DType::kQ8_0, std::vector<uint8_t>(33), 32), Error);
  EXPECT_THROW(floats(DType::kQ8_0, std::vector<uint8_t>(34), 31), Error);
  EXPECT_THROW(floats(DType::kF32, std::vector<uint8_t>(8), 1), Error);
  EXPECT_THROW(floats(DType::kF32, std::vector<uint8_t>(4), 2), Error);
}

}  // namespace
}  // namespace lora
