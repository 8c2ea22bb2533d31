#include "files/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "base/atomic_file.h"
#include "base/error.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

std::string file_bytes(const std::string& header, size_t data_bytes) {
  const uint64_t size = header.size();
  std::string out(reinterpret_cast<const char*>(&size), 8);
  out += header;
  for (size_t i = 0; i < data_bytes; ++i) out += static_cast<char>(i);
  return out;
}

SafetensorsFile parse(const std::string& bytes) {
  return SafetensorsFile::parse("test.safetensors", std::as_bytes(std::span(bytes.data(), bytes.size())));
}

const std::string kValid =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2],"data_offsets":[24,28]},)"
    R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"scalar":{"dtype":"BF16","shape":[],"data_offsets":[28,30]},)"
    R"("empty":{"dtype":"I64","shape":[0,4],"data_offsets":[30,30]}}   )";
constexpr size_t kValidData = 30;

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const std::string bytes = file_bytes(kValid, kValidData);
  const SafetensorsFile file = parse(bytes);
  ASSERT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.find("a")->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file.find("b")->dtype, DType::kF16);
  EXPECT_EQ(file.find("b")->bytes[0], std::byte{24});
  EXPECT_EQ(file.find("b")->bytes.size(), 4u);
  EXPECT_EQ(file.find("scalar")->numel(), 1);
  EXPECT_EQ(file.find("empty")->numel(), 0);
  EXPECT_EQ(file.find("none"), nullptr);
}

TEST(Safetensors, TruncationAtEveryByteIsAnError) {
  const std::string whole = file_bytes(kValid, kValidData);
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(SafetensorsFile::parse("test.safetensors", std::as_bytes(std::span(part))), Error) << size;
  }
}

struct Corruption {
  const char* name;
  std::string bytes;
  const char* says;
};

class SafetensorsCorruption : public ::testing::TestWithParam<Corruption> {};

TEST_P(SafetensorsCorruption, IsRefusedByName) {
  try {
    parse(GetParam().bytes);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInput);
    EXPECT_NE(std::string(e.what()).find(GetParam().says), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).rfind("test.safetensors", 0), 0u) << e.what();
  }
}

// One tensor "t" out of a dtype, a shape, offsets, and the size of the data.
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets, size_t data) {
  return file_bytes(
      R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}", data);
}
// Two F32 vectors with the given offsets.
std::string two(const std::string& a, const std::string& b, size_t data, const std::string& second = "b") {
  return file_bytes(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + a + R"(},")" + second +
                        R"(":{"dtype":"F32","shape":[2],"data_offsets":)" + b + "}}",
                    data);
}
std::string with_length(uint64_t length, const std::string& rest) {
  return std::string(reinterpret_cast<const char*>(&length), 8) + rest;
}

const Corruption kCorruptions[] = {
    {"Empty", "", "the header's length"},
    {"HeaderLength0", with_length(0, "{}"), "the header's length is 0"},
    {"HeaderOver100MB", with_length(100'000'001, "{}"), "the header's length is 100000001"},
    {"HeaderLengthWraps", with_length(~uint64_t{0}, "{}"), "the header's length is"},
    {"HeaderPastFile", with_length(3, "{}"), "ends inside the header"},
    {"NoBrace", file_bytes(" {}", 0), "does not begin with \"{\""},
    {"Array", file_bytes("[]", 0), "does not begin with \"{\""},
    {"Pickle", file_bytes("\x80\x02}q.", 0), "does not begin with"},
    {"BrokenJson", file_bytes("{\"t\":", 0), "not valid JSON"},
    {"TrailingJson", file_bytes("{}{}", 0), "not valid JSON"},
    {"NotUtf8", file_bytes("{\"\xff\":{}}", 0), "not valid JSON"},
    {"TensorTwice", two("[0,8]", "[8,16]", 16, "a"), "\"a\": this name occurs twice"},
    {"MetadataTwice", file_bytes(R"({"__metadata__":{},"__metadata__":{}})", 0),
     "__metadata__: this key occurs twice"},
    {"MetadataKeyTwice", file_bytes(R"({"__metadata__":{"k":"1","k":"2"}})", 0), "\"k\" occurs twice"},
    {"MetadataNumber", file_bytes(R"({"__metadata__":{"k":1}})", 0), "a number is where none belongs"},
    {"MetadataObject", file_bytes(R"({"__metadata__":{"k":{}}})", 0), "an object is where none belongs"},
    {"MetadataString", file_bytes(R"({"__metadata__":"x"})", 0), "a string is where none belongs"},
    {"EmptyName", file_bytes(R"({"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0), "empty name"},
    {"DtypeUnknown", one("\"F31\"", "[1]", "[0,4]", 4), "\"t\": its dtype \"F31\" is unknown"},
    {"DtypeQuantized", one("\"Q8_0\"", "[32]", "[0,34]", 34), "\"Q8_0\" is unknown"},
    {"DtypeNumber", one("3", "[1]", "[0,4]", 4), "\"t\": a number"},
    {"DtypeNull", one("null", "[1]", "[0,4]", 4), "\"t\": a null"},
    {"FieldTwice", file_bytes(R"({"t":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
     "\"dtype\" occurs twice"},
    {"FieldUnknown", file_bytes(R"({"t":{"dtype":"F32","strides":[1],"data_offsets":[0,4]}})", 4),
     "\"strides\" is unknown"},
    {"NoDtype", file_bytes(R"({"t":{"shape":[1],"data_offsets":[0,4]}})", 4), "\"t\": it has no dtype"},
    {"NoShape", file_bytes(R"({"t":{"dtype":"F32","data_offsets":[0,4]}})", 4), "it has no shape"},
    {"NoOffsets", file_bytes(R"({"t":{"dtype":"F32","shape":[1]}})", 4), "it has no data_offsets"},
    {"TensorNotAnObject", file_bytes(R"({"t":5})", 0), "\"t\": a number"},
    {"ShapeNegative", one("\"F32\"", "[-1]", "[0,4]", 4), "negative number -1"},
    {"ShapeFraction", one("\"F32\"", "[1.0]", "[0,4]", 4), "\"1.0\""},
    {"ShapePastUint64", one("\"F32\"", "[99999999999999999999]", "[0,4]", 4), "\"99999999999999999999\""},
    {"ShapePastInt64", one("\"F32\"", "[9223372036854775808]", "[0,4]", 4), "too large"},
    {"ShapeNested", one("\"F32\"", "[[1]]", "[0,4]", 4), "an array is where none belongs"},
    {"ShapeText", one("\"F32\"", "[\"1\"]", "[0,4]", 4), "a string is where none belongs"},
    {"ShapeOverflows", one("\"F32\"", "[4294967296,4294967296]", "[0,4]", 4), "\"t\": a size overflows"},
    {"ShapeOverflowsBehindZero", one("\"F32\"", "[0,4294967296,4294967296]", "[0,0]", 0), "a size overflows"},
    {"ShapeBytesOverflow", one("\"F64\"", "[4611686018427387904]", "[0,4]", 4), "a size overflows"},
    {"ShapeTooSmall", one("\"F32\"", "[1]", "[0,8]", 8), "expected 4 for F32 [1]"},
    {"ShapeTooLarge", one("\"F32\"", "[3]", "[0,8]", 8), "expected 12 for F32 [3]"},
    {"OffsetsOne", one("\"F32\"", "[1]", "[4]", 4), "data_offsets holds 1"},
    {"OffsetsThree", one("\"F32\"", "[1]", "[0,4,4]", 4), "data_offsets holds 3"},
    {"OffsetsBackwards", one("\"F32\"", "[1]", "[4,0]", 4), "backwards"},
    {"PastEnd", one("\"F32\"", "[2]", "[0,8]", 4), "\"t\": its bytes are 0 to 8 of 4: it runs past the end"},
    {"OffsetHuge", one("\"F32\"", "[1]", "[0,18446744073709551615]", 4), "past the end of the file"},
    {"GapAtBegin", one("\"F32\"", "[1]", "[4,8]", 8), "leaves a gap after byte 0"},
    {"Gap", two("[0,8]", "[12,20]", 20), "\"b\": its bytes are 12 to 20, which leaves a gap after byte 8"},
    {"Overlap", two("[0,8]", "[4,12]", 12), "overlap"},
    {"SameBytes", two("[0,8]", "[0,8]", 8), "overlap"},
    {"BytesLeftOver", one("\"F32\"", "[1]", "[0,4]", 5), "1 bytes at the end belong to no tensor"},
    {"DeepNesting", file_bytes("{\"t\":" + std::string(100000, '['), 0), "an array is where none belongs"},
    {"ControlCharactersAreNotPrinted", file_bytes("{\"\\u001b[2J\":5}", 0), "\"\\x1b[2J\""},
};

INSTANTIATE_TEST_SUITE_P(All, SafetensorsCorruption, ::testing::ValuesIn(kCorruptions),
                         [](const auto& info) { return info.param.name; });

class SafetensorsWriter : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("lora_safetensors_test." + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  fs::path dir_;
};

TEST_F(SafetensorsWriter, RoundTripsAndAligns) {
  std::vector<std::byte> data(64);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 7);
  const std::span<const std::byte> bytes(data);
  const std::vector<TensorInfo> tensors = {
      {"half", DType::kF16, {3}, bytes.first(6)},        {"z", DType::kF32, {2, 2}, bytes.subspan(8, 16)},
      {"flag", DType::kBool, {1}, bytes.first(1)},       {"a", DType::kF32, {}, bytes.subspan(24, 4)},
      {"long", DType::kI64, {2}, bytes.subspan(32, 16)}, {"none", DType::kF32, {0, 3}, {}},
  };
  write_safetensors(dir_ / "m.safetensors", tensors, {{"format", "pt"}, {"quote", "a\"b"}});
  const SafetensorsFile file = SafetensorsFile::open(dir_ / "m.safetensors");
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"quote", "a\"b"}}));
  ASSERT_EQ(file.tensors().size(), tensors.size());
  for (const TensorInfo& tensor : tensors) {
    const TensorInfo* read = file.find(tensor.name);
    ASSERT_NE(read, nullptr) << tensor.name;
    EXPECT_EQ(read->dtype, tensor.dtype);
    EXPECT_EQ(read->shape, tensor.shape);
    EXPECT_TRUE(std::equal(read->bytes.begin(), read->bytes.end(), tensor.bytes.begin(), tensor.bytes.end()));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(read->bytes.data()) % dtype_layout(tensor.dtype).block_bytes, 0u);
  }
  const std::string first = read_file(dir_ / "m.safetensors");
  std::vector<TensorInfo> reversed(tensors.rbegin(), tensors.rend());
  write_safetensors(dir_ / "m.safetensors", reversed, {{"format", "pt"}, {"quote", "a\"b"}});
  EXPECT_EQ(read_file(dir_ / "m.safetensors"), first) << "order does not matter, and a file is replaced";
}

TEST_F(SafetensorsWriter, RefusesWhatTheFormatHasNot) {
  const std::vector<std::byte> data(64);
  const std::span<const std::byte> bytes(data);
  const auto refused = [&](std::vector<TensorInfo> tensors) {
    EXPECT_THROW(write_safetensors(dir_ / "m.safetensors", tensors), Error);
    EXPECT_TRUE(fs::is_empty(dir_)) << "nothing is left behind";
  };
  refused({{"a", DType::kF32, {2}, bytes.first(4)}});
  refused({{"a", DType::kQ8_0, {32}, bytes.first(34)}});
  refused({{"a", DType::kF32, {1}, bytes.first(4)}, {"a", DType::kF32, {1}, bytes.first(4)}});
  refused({{"__metadata__", DType::kF32, {1}, bytes.first(4)}});
  refused({{"", DType::kF32, {1}, bytes.first(4)}});
}

}  // namespace
}  // namespace lora
