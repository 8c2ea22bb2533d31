// Packed matrices give the rows that the dequantizers give, whatever rows are asked for, and every instruction set gives the
// same bits. The dequantizers themselves are held to gguf-py and bitsandbytes in tests/parity.
#include "weights/frozen_matrix.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "weights/bnb_4bit.h"
#include "weights/dequantize.h"
#include "weights/load.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

struct Kind {
  DType dtype;
  std::vector<size_t> scales;  // where the fp16 scales lie in a block
};

const std::vector<Kind> kKinds{{DType::kF64, {}},      {DType::kF32, {}},      {DType::kF16, {}},
                               {DType::kBF16, {}},     {DType::kQ4_0, {0}},    {DType::kQ4_1, {0, 2}},
                               {DType::kQ5_0, {0}},    {DType::kQ5_1, {0, 2}}, {DType::kQ8_0, {0}},
                               {DType::kQ4_K, {0, 2}}, {DType::kQ5_K, {0, 2}}, {DType::kQ6_K, {208}}};

// A matrix of random blocks with finite scales.
struct Stored {
  std::vector<std::byte> bytes;
  TensorInfo info;

  Stored(const Kind& kind, int64_t rows, int64_t cols) {
    const DTypeLayout layout = dtype_layout(kind.dtype);
    bytes.resize(static_cast<size_t>(rows * cols) / layout.block_size * layout.block_bytes);
    Random random(3, static_cast<uint64_t>(kind.dtype));
    if (layout.block_size == 1) {
      std::vector<double> values(static_cast<size_t>(rows * cols));
      for (double& v : values) v = random.normal();
      const at::ScalarType type = kind.dtype == DType::kF64   ? at::kDouble
                                  : kind.dtype == DType::kF32 ? at::kFloat
                                  : kind.dtype == DType::kF16 ? at::kHalf
                                                              : at::kBFloat16;
      const at::Tensor t = at::tensor(values, at::kDouble).to(type);
      std::memcpy(bytes.data(), t.const_data_ptr(), bytes.size());
    } else {
      for (std::byte& b : bytes) b = static_cast<std::byte>(random.below(256));
      for (size_t block = 0; block < bytes.size(); block += layout.block_bytes)
        for (const size_t at : kind.scales) {
          const c10::Half scale(static_cast<float>(0.01 * random.normal()));
          std::memcpy(&bytes[block + at], &scale, 2);
        }
    }
    info = {.name = "w", .dtype = kind.dtype, .shape = {rows, cols}, .bytes = bytes};
  }
};

at::Tensor unpacked(const FrozenMatrix& matrix, int64_t begin, int64_t end, at::ScalarType dtype) {
  at::Tensor out = at::full({end - begin, matrix.cols()}, -7, at::TensorOptions().dtype(dtype));
  if (dtype == at::kDouble)
    matrix.unpack(begin, end, out.data_ptr<double>());
  else
    matrix.unpack(begin, end, out.data_ptr<float>());
  return out;
}

void expect_rows(const FrozenMatrix& matrix, const at::Tensor& expected, const std::string& name) {
  ASSERT_TRUE(matrix.is_packed());
  EXPECT_EQ(matrix.rows(), expected.size(0));
  EXPECT_EQ(matrix.cols(), expected.size(1));
  EXPECT_GT(expected.abs().max().item<float>(), 0) << name;
  const int64_t rows = expected.size(0);
  for (const auto& [begin, end] :
       {std::pair<int64_t, int64_t>{0, rows}, {1, rows}, {0, 1}, {rows - 1, rows}, {3, 6}, {2, 2}}) {
    EXPECT_TRUE(at::equal(unpacked(matrix, begin, end, at::kFloat), expected.slice(0, begin, end)))
        << name << ", rows " << begin << " to " << end;
    EXPECT_TRUE(
        at::equal(unpacked(matrix, begin, end, at::kDouble), expected.slice(0, begin, end).to(at::kDouble)))
        << name;
  }
  EXPECT_TRUE(at::equal(matrix.to_dense(at::kFloat), expected)) << name;
  const at::Tensor ids = at::tensor(std::vector<int64_t>{rows - 1, 0, 2, 2}, at::kLong);
  EXPECT_TRUE(at::equal(matrix.gather(ids, at::kFloat), expected.index_select(0, ids))) << name;
  EXPECT_THROW(matrix.gather(at::tensor(std::vector<int64_t>{rows}, at::kLong), at::kFloat), std::exception);
}

// What a GPU gets: the same numbers, in two bytes each where they fit into them.
void expect_small_and_equal(const FrozenMatrix& matrix, bool small) {
  const FrozenMatrix dense = matrix.on(at::kCPU);
  EXPECT_EQ(dense.bytes(), static_cast<size_t>(matrix.rows() * matrix.cols()) * (small ? 2 : 4))
      << matrix.type();
  EXPECT_TRUE(at::equal(dense.to_dense(at::kFloat), matrix.to_dense(at::kFloat))) << matrix.type();
}

TEST(FrozenMatrix, RowsOfAFileAreThoseOfLoadTensor) {
  for (const Kind& kind : kKinds) {
    const int64_t block = dtype_layout(kind.dtype).block_size;
    for (const int64_t cols : {block, 3 * block, block == 1 ? int64_t{37} : 5 * block}) {
      const Stored stored(kind, 11, cols);
      const FrozenMatrix matrix = FrozenMatrix::of_file(stored.info);
      expect_rows(matrix, load_tensor(stored.info), std::string(dtype_name(kind.dtype)));
      EXPECT_EQ(matrix.bytes(), stored.bytes.size());
      EXPECT_EQ(matrix.type(), dtype_name(kind.dtype));
      expect_small_and_equal(matrix, kind.dtype == DType::kBF16 || kind.dtype == DType::kF16);
    }
  }
}

TEST(FrozenMatrix, RowsInGgufsOrderForRopeComeInHuggingFaces) {
  for (const Kind& kind : kKinds) {
    const Stored stored(kind, 24, 2 * dtype_layout(kind.dtype).block_size);
    expect_rows(FrozenMatrix::of_file(stored.info, 3), undo_rope_permutation(load_tensor(stored.info), 3),
                std::string(dtype_name(kind.dtype)));
  }
}

// Read from the file at each use; a file that became shorter meanwhile is told, where a mapping would be fatal.
TEST(FrozenMatrix, RowsThatStayInTheFileAreTheSame) {
  const fs::path path = fs::temp_directory_path() / ("lora_frozen_matrix_test_" + std::to_string(::getpid()));
  for (const Kind& kind : kKinds)
    for (const int64_t heads : {0, 3}) {
      const Stored stored(kind, 24, 2 * dtype_layout(kind.dtype).block_size);
      const std::string before = "something else";
      std::ofstream(path, std::ios::binary)
          << before << std::string(reinterpret_cast<const char*>(stored.bytes.data()), stored.bytes.size());
      const auto file = std::make_shared<const MappedFile>(path);
      TensorInfo info = stored.info;
      info.bytes = file->bytes().subspan(before.size());
      const FrozenMatrix matrix = FrozenMatrix::of_file(info, heads, file);
      expect_rows(matrix, FrozenMatrix::of_file(stored.info, heads).to_dense(at::kFloat),
                  std::string(dtype_name(kind.dtype)));
      EXPECT_TRUE(matrix.is_packed());
      fs::resize_file(path, before.size());
      std::vector<float> out(static_cast<size_t>(24 * matrix.cols()));
      try {
        matrix.unpack(0, 24, out.data());
        FAIL() << path;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kMachine);
        EXPECT_NE(error.parts().found.find("shorter"), std::string::npos) << error.what();
      }
    }
  fs::remove(path);
}

// Blocks of 64 run over the ends of rows when a row has no multiple of 64; an odd row begins in the middle of a byte. Codes in a file
// are the same.
TEST(FrozenMatrix, FourBitsOfAnyWidth) {
  at::manual_seed(4);
  const auto file = std::make_shared<SpillFile>(0);
  for (const int64_t cols : {64, 128, 96, 37, 1, 250})
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf})
      for (const bool nested : {false, true}) {
        const FourBitWeight weight = quantize_4bit(at::randn({9, cols}).to(dtype), FourBitType::kNf4, nested);
        at::Tensor expected = at::empty({9, cols});
        for (int64_t i = 0; i < 9 * cols; ++i) {
          const uint8_t byte = weight.packed[static_cast<size_t>(i / 2)];
          const float value =
              four_bit_code(FourBitType::kNf4)[i % 2 == 0 ? byte >> 4 : byte & 15] * weight.scales[i / 64];
          expected.data_ptr<float>()[i] = at::scalar_tensor(value).to(dtype).to(at::kFloat).item<float>();
        }
        const FrozenMatrix matrix = FrozenMatrix::of_four_bit(weight);
        expect_rows(matrix, expected, "nf4, " + std::to_string(cols) + " wide");
        EXPECT_EQ(matrix.type(), "nf4");
        const FrozenMatrix in_file = FrozenMatrix::of_four_bit(weight, file);
        expect_rows(in_file, expected, "nf4 in a file, " + std::to_string(cols) + " wide");
        EXPECT_EQ(in_file.bytes(), matrix.bytes());
        expect_small_and_equal(matrix, dtype != at::kFloat);
        EXPECT_TRUE(at::equal(dequantize_4bit(weight), expected));
      }
  EXPECT_TRUE(file->spilled());
}

// Threads take whole blocks: the result is that of one quantizer going through all.
TEST(FrozenMatrix, QuantizingInPartsEqualsQuantizingAtOnce) {
  at::manual_seed(5);
  const at::Tensor w = at::randn({701, 301});
  const FourBitWeight once = quantize_4bit(
      std::span(w.const_data_ptr<float>(), static_cast<size_t>(w.numel())), {701, 301}, FourBitType::kNf4);
  const FourBitWeight parts = quantize_4bit(w, FourBitType::kNf4, /*double_quant=*/false);
  EXPECT_EQ(once.packed, parts.packed);
  EXPECT_EQ(once.scales.absmax, parts.scales.absmax);
}

TEST(FrozenMatrix, EveryInstructionSetGivesTheSameBits) {
  at::manual_seed(6);
  const FourBitWeight weight = quantize_4bit(at::randn({8, 192}).to(at::kBFloat16), FourBitType::kNf4, true);
  std::vector<std::vector<float>> first;
  const std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
  EXPECT_GE(targets.size(), 2u);
  for (const int64_t target : targets) {
    hwy::SetSupportedTargetsForTest(target);
    std::vector<std::vector<float>> all;
    for (const Kind& kind : kKinds) {
      const Stored stored(kind, 5, 3 * static_cast<int64_t>(dtype_layout(kind.dtype).block_size));
      dequantize(kind.dtype, stored.bytes, all.emplace_back(stored.info.numel()));
    }
    weight.dequantize(0, all.emplace_back(weight.numel()));
    if (first.empty()) first = all;
    EXPECT_EQ(first, all) << hwy::TargetName(target);
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(FrozenMatrix, ADenseOneIsTheTensorItself) {
  const at::Tensor t = at::randn({3, 5});
  const FrozenMatrix matrix = t, copy = matrix;
  EXPECT_FALSE(matrix.is_packed());
  EXPECT_TRUE(matrix.dense().is_same(t));
  EXPECT_TRUE(matrix.is(copy));
  EXPECT_FALSE(matrix.is(FrozenMatrix(t.clone())));
  EXPECT_FALSE(FrozenMatrix().defined());
  EXPECT_EQ(FrozenMatrix(t.to(at::kBFloat16)).bytes(), 30u);
}

TEST(FrozenMatrix, WhatIsNoMatrixIsRefused) {
  const Stored stored({DType::kF32, {}}, 6, 4);
  EXPECT_THROW(FrozenMatrix::of_file(stored.info, 4), Error) << "six rows are not those of four heads";
  EXPECT_THROW(FrozenMatrix::of_file(stored.info, 2), Error) << "heads of three rows have no pairs";
  TensorInfo info = stored.info;
  info.shape = {24};
  EXPECT_THROW(FrozenMatrix::of_file(info), Error);
  info = stored.info;
  info.dtype = DType::kI32;
  EXPECT_THROW(FrozenMatrix::of_file(info), Error);
  EXPECT_THROW(FrozenMatrix::of_four_bit(quantize_4bit(at::ones({64}), FourBitType::kNf4, false)), Error);
}

}  // namespace
}  // namespace lora
