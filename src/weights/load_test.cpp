// Against outside references: tests/parity/test_gguf_types.py loads a real GGUF and its Hugging Face twin through here.
#include "weights/load.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/random.h"
#include "weights/dequantize.h"

namespace lora {
namespace {

TensorInfo info(DType dtype, std::vector<int64_t> shape, const std::vector<std::byte>& bytes) {
  return {"w", dtype, std::move(shape), bytes};
}

std::vector<std::byte> random_bytes(size_t n) {
  Random random(7);
  std::vector<std::byte> bytes(n);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random.below(256));
  return bytes;
}

TEST(LoadTensor, EqualsTheSerialDequantizerForAnyNumberOfThreads) {
  const int64_t rows = 333, columns = 1024;  // several grains, the last one short
  auto bytes = random_bytes(static_cast<size_t>(rows * columns / 32 * 34));
  for (size_t i = 1; i < bytes.size(); i += 34) bytes[i] = std::byte{0x2c};  // finite scales
  std::vector<float> expected(static_cast<size_t>(rows * columns));
  dequantize(DType::kQ8_0, bytes, expected);
  const int before = at::get_num_threads();
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    const at::Tensor w = load_tensor(info(DType::kQ8_0, {rows, columns}, bytes));
    EXPECT_EQ(w.sizes(), (at::IntArrayRef{rows, columns}));
    EXPECT_EQ(std::memcmp(w.const_data_ptr(), expected.data(), expected.size() * sizeof(float)), 0);
  }
  at::set_num_threads(before);
}

TEST(LoadTensor, ConvertsLikeAten) {
  std::vector<std::byte> bytes(6 * 4);
  const float values[6] = {1, -2.5f, 1e-3f, 65504, 0.1f, -0.f};
  std::memcpy(bytes.data(), values, sizeof(values));
  const at::Tensor reference = at::tensor(at::ArrayRef<float>(values, 6)).view({2, 3});
  for (const auto dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16})
    EXPECT_TRUE(at::equal(load_tensor(info(DType::kF32, {2, 3}, bytes), dtype), reference.to(dtype)));

  const at::Tensor half = reference.to(at::kBFloat16).contiguous();
  std::vector<std::byte> half_bytes(12);
  std::memcpy(half_bytes.data(), half.const_data_ptr(), 12);
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf})
    EXPECT_TRUE(at::equal(load_tensor(info(DType::kBF16, {2, 3}, half_bytes), dtype), half.to(dtype)));
}

TEST(LoadTensor, OwnsItsMemory) {
  auto bytes = random_bytes(64);
  const at::Tensor w = load_tensor(info(DType::kI32, {16}, bytes), at::kInt);
  const at::Tensor copy = w.clone();
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  EXPECT_TRUE(at::equal(w, copy));
  EXPECT_EQ(load_tensor(info(DType::kF32, {}, std::vector<std::byte>(4))).dim(), 0);
  EXPECT_EQ(load_tensor(info(DType::kF32, {0, 3}, {})).numel(), 0);
}

TEST(LoadTensor, RefusesByName) {
  const auto bytes = random_bytes(1024);
  for (const DType dtype : {DType::kQ2_K, DType::kI32, DType::kBool}) try {
      load_tensor(info(dtype, {256}, bytes));
      ADD_FAILURE();
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(dtype_name(dtype)), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("tensor w"), std::string::npos) << e.what();
    }
  EXPECT_THROW(load_tensor(info(DType::kF32, {256}, bytes), at::kInt), Error);
  EXPECT_THROW(load_tensor(info(DType::kF32, {int64_t{1} << 50}, {})), Error) << "no memory, not bad_alloc";
}

TEST(RopePermutation, OfOneHeadByHand) {
  // head_dim 4: GGUF's rows are Hugging Face's 0, 2, 1, 3.
  const at::Tensor hf = at::arange(8, at::kFloat);
  const at::Tensor gguf = at::tensor({0.f, 2.f, 1.f, 3.f, 4.f, 6.f, 5.f, 7.f});
  EXPECT_TRUE(at::equal(redo_rope_permutation(hf, 2), gguf));
  EXPECT_TRUE(at::equal(undo_rope_permutation(gguf, 2), hf));
  // head_dim 6 is not its own inverse: 0, 3, 1, 4, 2, 5.
  EXPECT_TRUE(at::equal(redo_rope_permutation(at::arange(6, at::kFloat), 1),
                        at::tensor({0.f, 3.f, 1.f, 4.f, 2.f, 5.f})));
  const at::Tensor w = at::randn({24, 5});
  const at::Tensor permuted = redo_rope_permutation(w, 4);
  EXPECT_TRUE(permuted.is_contiguous());
  EXPECT_TRUE(at::equal(permuted[1], w[3]));
  EXPECT_TRUE(at::equal(undo_rope_permutation(permuted, 4), w));
}

// What the permutation is for: rotating neighbouring pairs of GGUF's rows gives the same attention scores as rotating
// halves of Hugging Face's.
TEST(RopePermutation, InterleavedAndHalfRotationAgree) {
  const int64_t d = 8;
  const at::Tensor q = at::randn({d}, at::kDouble), k = at::randn({d}, at::kDouble);
  const auto rotate = [&](const at::Tensor& x, double position, bool interleaved) {
    at::Tensor out = at::empty_like(x);
    for (int64_t i = 0; i < d / 2; ++i) {
      const int64_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : i + d / 2;
      const double angle = position * std::pow(10000., -2. * static_cast<double>(i) / static_cast<double>(d));
      const double xa = x[a].item<double>(), xb = x[b].item<double>();
      out[a] = xa * std::cos(angle) - xb * std::sin(angle);
      out[b] = xa * std::sin(angle) + xb * std::cos(angle);
    }
    return out;
  };
  const double hf = at::dot(rotate(q, 3, false), rotate(k, 11, false)).item<double>();
  const double gguf =
      at::dot(rotate(redo_rope_permutation(q, 1), 3, true), rotate(redo_rope_permutation(k, 1), 11, true))
          .item<double>();
  EXPECT_NEAR(hf, gguf, 1e-12);
}

TEST(RopePermutation, RefusesRowsThatDoNotSplit) {
  EXPECT_THROW(undo_rope_permutation(at::zeros({9, 2}), 2), Error);
  EXPECT_THROW(undo_rope_permutation(at::zeros({6, 2}), 2), Error);
  EXPECT_THROW(undo_rope_permutation(at::zeros({6, 2}), 0), Error);
  EXPECT_THROW(undo_rope_permutation(at::zeros({4, 2, 2}), 1), Error);
  EXPECT_THROW(undo_rope_permutation(at::scalar_tensor(1), 1), Error);
}

}  // namespace
}  // namespace lora
