// The format's rules and refusals; its numbers are held against bitsandbytes in tests/parity/test_bnb_4bit.py.
#include "weights/bnb_4bit.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "files/safetensors.h"

namespace lora {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Bnb4Bit : public ::testing::Test {
 protected:
  struct Part {
    DType dtype;
    std::vector<int64_t> shape;
    std::string bytes;
  };

  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("bnb_4bit_test." + std::to_string(getpid()));
    fs::create_directories(dir_);
    at::manual_seed(3);
    weight_ = at::randn({24, 96}).to(at::kBFloat16);
    quantized_ = quantize_4bit(weight_, FourBitType::kNf4, true, 64);
    const auto blocks = quantized_.scales.size();
    add("w.weight", DType::kU8, {static_cast<int64_t>(quantized_.packed.size()), 1}, quantized_.packed);
    add("w.weight.absmax", DType::kU8, {blocks}, quantized_.scales.codes);
    add("w.weight.nested_absmax", DType::kF32, {1}, quantized_.scales.absmax);
    add("w.weight.nested_quant_map", DType::kF32, {256}, quantized_.scales.code);
    const auto code = four_bit_code(FourBitType::kNf4);
    add("w.weight.quant_map", DType::kF32, {16}, std::vector<float>(code.begin(), code.end()));
    state_ = {{"quant_type", "nf4"},
              {"blocksize", 64},
              {"dtype", "bfloat16"},
              {"shape", {24, 96}},
              {"nested_blocksize", 256},
              {"nested_dtype", "float32"},
              {"nested_offset", quantized_.scales.offset}};
    config_ = {{"quantization_config",
                {{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}}}};
  }
  void TearDown() override { fs::remove_all(dir_); }

  template <typename T>
  void add(const std::string& name, DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
    parts_[name] = {dtype, std::move(shape),
                    std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T))};
  }
  Checkpoint open() {
    const std::string state = state_.dump();
    auto parts = parts_;
    parts["w.weight.quant_state.bitsandbytes__nf4"] = {
        DType::kU8, {static_cast<int64_t>(state.size())}, state};
    std::vector<TensorInfo> tensors;
    for (const auto& [name, part] : parts)
      tensors.push_back({name, part.dtype, part.shape, std::as_bytes(std::span(part.bytes))});
    write_safetensors(dir_ / "model.safetensors", tensors);
    write_file_atomic(dir_ / "config.json", config_.dump(), IfExists::kReplace);
    return Checkpoint::open(dir_);
  }
  std::string error_of(const std::function<void()>& f) {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  std::string read_error() {
    const Checkpoint checkpoint = open();
    return error_of([&] { read_bnb_4bit(checkpoint, "w.weight"); });
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  fs::path dir_;
  at::Tensor weight_;
  FourBitWeight quantized_;
  std::map<std::string, Part> parts_;
  json state_, config_;
};

TEST_F(Bnb4Bit, ReadsWhatWasPacked) {
  const Checkpoint checkpoint = open();
  EXPECT_EQ(quantization_of(checkpoint), "bitsandbytes nf4");
  ASSERT_TRUE(is_bnb_4bit(checkpoint, "w.weight"));
  EXPECT_FALSE(is_bnb_4bit(checkpoint, "w"));
  EXPECT_EQ(bnb_4bit_tensors(checkpoint, "w.weight").size(), checkpoint.tensors().size());
  const FourBitWeight read = read_bnb_4bit(checkpoint, "w.weight");
  EXPECT_EQ(read.packed, quantized_.packed);
  EXPECT_EQ(read.shape, (std::vector<int64_t>{24, 96}));
  EXPECT_TRUE(at::equal(dequantize_4bit(read), dequantize_4bit(quantized_)));
  EXPECT_EQ(read.dtype, DType::kBF16);
  const at::Tensor values = dequantize_4bit(read);
  EXPECT_TRUE(at::equal(values, values.to(at::kBFloat16).to(at::kFloat))) << "rounded to what was quantized";
  EXPECT_LT((values - weight_).abs().mean().item<float>(), 0.1f);
  EXPECT_EQ(read.bytes(), 1152u + 36 + 4 * 257);
}

TEST_F(Bnb4Bit, DequantizesAlikeForAnyThreadsRowsAndTypes) {
  const FourBitWeight big = quantize_4bit(at::randn({777, 129}), FourBitType::kFp4, true, 64);
  const at::Tensor whole = dequantize_4bit(big);
  const int before = at::get_num_threads();
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    EXPECT_TRUE(at::equal(dequantize_4bit(big), whole));
    EXPECT_TRUE(at::equal(dequantize_4bit_rows(big, 3, 700, at::kBFloat16),
                          whole.slice(0, 3, 700).to(at::kBFloat16)));
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(dequantize_4bit(big, at::kDouble), whole.to(at::kDouble)));
  EXPECT_EQ(dequantize_4bit_rows(big, 5, 5).numel(), 0);
}

TEST_F(Bnb4Bit, MissingPartsAreNamed) {
  for (const char* part : {".absmax", ".nested_quant_map", ".quant_map", ".nested_absmax"}) {
    const auto all = parts_;
    parts_.erase(std::string("w.weight") + part);
    EXPECT_TRUE(contains(read_error(), std::string("w.weight") + part + " is missing"))
        << part << ": " << read_error();
    parts_ = all;
  }
}

TEST_F(Bnb4Bit, WrongSizesAreRefused) {
  for (const char* part : {"", ".absmax", ".nested_absmax", ".nested_quant_map", ".quant_map"}) {
    const auto all = parts_;
    Part& wrong = parts_[std::string("w.weight") + part];
    wrong.shape[0] += 1;
    wrong.bytes += std::string(dtype_layout(wrong.dtype).block_bytes, '\0');
    const std::string error = read_error();
    EXPECT_TRUE(contains(error, "tensor w.weight" + std::string(part) + ":") ||
                contains(error, "tensor w.weight" + std::string(part)))
        << error;
    EXPECT_NE(error, "no error") << part;
    parts_ = all;
  }
}

TEST_F(Bnb4Bit, TheStateIsChecked) {
  const json good = state_;
  const std::vector<std::pair<std::string, json>> wrong{
      {"quant_type", "fp4"},    {"quant_type", nullptr}, {"blocksize", 48},
      {"blocksize", "64"},      {"blocksize", nullptr},  {"shape", {24, -96}},
      {"shape", json::array()}, {"shape", {24, 97}},     {"shape", {int64_t{1} << 40, int64_t{1} << 40}},
      {"nested_blocksize", 0},  {"nested_offset", "a"},  {"dtype", "float64"},
      {"dtype", nullptr}};
  for (const auto& [key, value] : wrong) {
    state_ = good;
    state_[key] = value;
    EXPECT_NE(read_error(), "no error") << key << " " << value;
  }
  state_ = json::array({1});
  EXPECT_TRUE(contains(read_error(), "JSON object"));
}

TEST_F(Bnb4Bit, AnotherCodeTableIsRefused) {
  std::vector<float> code(16, 0.25f);
  add("w.weight.quant_map", DType::kF32, {16}, code);
  EXPECT_TRUE(contains(read_error(), "value 0 of the code is 0.25")) << read_error();
}

TEST_F(Bnb4Bit, OtherQuantizationsAreRefusedByName) {
  const auto error = [&](json quantization) {
    config_ = {{"quantization_config", std::move(quantization)}};
    const Checkpoint checkpoint = open();
    return error_of([&] { quantization_of(checkpoint); });
  };
  for (const char* method : {"gptq", "awq", "fp8", "compressed-tensors", "hqq", "mxfp4", "aqlm"}) {
    EXPECT_TRUE(contains(error({{"quant_method", method}}), method)) << method;
    EXPECT_TRUE(contains(error({{"quant_method", method}, {"load_in_4bit", true}}), "GGUF")) << "a way on";
  }
  EXPECT_TRUE(contains(error({{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}}), "LLM.int8"));
  EXPECT_TRUE(contains(error({{"load_in_8bit", true}}), "LLM.int8"));
  EXPECT_TRUE(contains(
      error({{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"bnb_4bit_quant_type", "int4"}}),
      "int4"));
  EXPECT_TRUE(contains(error({{"bits", 4}}), "no quant_method"));
  EXPECT_NE(error("nf4"), "no error");
  config_ = json::object();
  EXPECT_EQ(quantization_of(open()), "");
  config_ = {{"quantization_config", {{"load_in_4bit", true}}}};
  EXPECT_EQ(quantization_of(open()), "bitsandbytes fp4");
}

TEST(Dynamic8BitCode, IsSymmetricButForOne) {
  const std::vector<float> code = dynamic_8bit_code();
  ASSERT_EQ(code.size(), 256u);
  EXPECT_TRUE(std::is_sorted(code.begin(), code.end()));
  EXPECT_EQ(code[127], 0.0f);
  EXPECT_EQ(code[255], 1.0f);
  for (size_t i = 0; i < 127; ++i) EXPECT_EQ(code[i], -code[254 - i]);
}

}  // namespace
}  // namespace lora
