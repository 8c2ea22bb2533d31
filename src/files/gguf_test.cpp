#include "files/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "base/atomic_file.h"
#include "base/error.h"
#include "files/gguf_writer.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

// A file spelled out field by field, so that each can be made wrong. Not GgufWriter: that one refuses to.
struct Spec {
  struct Value {
    std::string key, encoded;
  };
  struct Tensor {
    std::string name;
    uint32_t dimensions;
    std::vector<uint64_t> ne;  // innermost first, as in the file
    uint32_t type;
    uint64_t offset;
  };
  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t extra_tensors = 0, extra_values = 0;  // announced beyond those that are there
  std::vector<Value> values;
  std::vector<Tensor> tensors;
  uint64_t alignment = 32;
  size_t data_bytes = 0;
};

template <typename T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}
std::string text(std::string_view value) {
  return raw<uint64_t>(value.size()) + std::string(value);
}
std::string type(GgufType t) {
  return raw(static_cast<uint32_t>(t));
}
std::string array(GgufType element, uint64_t count, const std::string& elements) {
  return type(GgufType::kArray) + type(element) + raw(count) + elements;
}

std::string bytes_of(const Spec& spec) {
  std::string out = spec.magic + raw(spec.version) + raw<uint64_t>(spec.tensors.size() + spec.extra_tensors) +
                    raw<uint64_t>(spec.values.size() + spec.extra_values);
  for (const auto& value : spec.values) out += text(value.key) + value.encoded;
  for (const auto& tensor : spec.tensors) {
    out += text(tensor.name) + raw(tensor.dimensions);
    for (const uint64_t n : tensor.ne) out += raw(n);
    out += raw(tensor.type) + raw(tensor.offset);
  }
  if (spec.data_bytes > 0) {
    out.resize((out.size() + spec.alignment - 1) / spec.alignment * spec.alignment);
    for (size_t i = 0; i < spec.data_bytes; ++i) out += static_cast<char>(i);
  }
  return out;
}

Spec valid() {
  Spec spec;
  spec.values = {
      {"general.architecture", type(GgufType::kString) + text("llama")},
      {"general.alignment", type(GgufType::kUint32) + raw<uint32_t>(32)},
      {"u8", type(GgufType::kUint8) + raw<uint8_t>(200)},
      {"i8", type(GgufType::kInt8) + raw<int8_t>(-100)},
      {"u16", type(GgufType::kUint16) + raw<uint16_t>(60000)},
      {"i16", type(GgufType::kInt16) + raw<int16_t>(-30000)},
      {"i32", type(GgufType::kInt32) + raw<int32_t>(-7)},
      {"u64", type(GgufType::kUint64) + raw<uint64_t>(~uint64_t{0})},
      {"i64", type(GgufType::kInt64) + raw<int64_t>(-1)},
      {"f32", type(GgufType::kFloat32) + raw(0.5f)},
      {"f64", type(GgufType::kFloat64) + raw(0.25)},
      {"bool", type(GgufType::kBool) + raw<uint8_t>(1)},
      {"words", array(GgufType::kString, 3, text("a") + text("") + text("ccc"))},
      {"numbers", array(GgufType::kInt32, 2, raw<int32_t>(5) + raw<int32_t>(-6))},
      {"scores", array(GgufType::kFloat32, 2, raw(1.5f) + raw(-2.f))},
  };
  spec.tensors = {{"matrix", 2, {2, 3}, 0, 0}, {"blocks", 1, {32}, 8, 32}};
  spec.data_bytes = 32 + 34;
  return spec;
}

GgufFile parse(const std::string& bytes) {
  return GgufFile::parse("test.gguf", std::as_bytes(std::span(bytes.data(), bytes.size())));
}

TEST(Gguf, ReadsEveryValueTypeAndTensor) {
  const std::string bytes = bytes_of(valid());
  const GgufFile file = parse(bytes);
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.get_string("general.architecture"), "llama");
  EXPECT_EQ(file.get_uint("u8"), 200u);
  EXPECT_EQ(file.get_int("i8"), -100);
  EXPECT_EQ(file.get_uint("u16"), 60000u);
  EXPECT_EQ(file.get_int("i16"), -30000);
  EXPECT_EQ(file.get_int("i32"), -7);
  EXPECT_EQ(file.get_uint("u64"), ~uint64_t{0});
  EXPECT_EQ(file.get_int("i64"), -1);
  EXPECT_EQ(file.get_float("f32"), 0.5);
  EXPECT_EQ(file.get_float("f64"), 0.25);
  EXPECT_TRUE(file.get_bool("bool"));
  EXPECT_EQ(file.string_array("words"), (std::vector<std::string_view>{"a", "", "ccc"}));
  EXPECT_EQ(file.int_array("numbers"), (std::vector<int64_t>{5, -6}));
  EXPECT_EQ(file.float_array("scores"), (std::vector<float>{1.5f, -2.f}));
  EXPECT_TRUE(file.is_array("words"));
  EXPECT_FALSE(file.is_array("u8"));
  EXPECT_EQ(file.keys().size(), 15u);
  EXPECT_EQ(file.keys()[2], "u8");

  ASSERT_EQ(file.tensors().size(), 2u);
  const TensorInfo* matrix = file.find("matrix");
  ASSERT_NE(matrix, nullptr);
  EXPECT_EQ(matrix->shape, (std::vector<int64_t>{3, 2})) << "outermost first";
  EXPECT_EQ(matrix->bytes.size(), 24u);
  EXPECT_EQ(matrix->bytes[1], std::byte{1});
  EXPECT_EQ(file.find("blocks")->dtype, DType::kQ8_0);
  EXPECT_EQ(file.find("blocks")->bytes[0], std::byte{32});
  EXPECT_EQ(file.find("none"), nullptr);
}

TEST(Gguf, LookupsNameKeyFoundAndExpected) {
  const std::string bytes = bytes_of(valid());
  const GgufFile file = parse(bytes);
  const auto message = [](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInput);
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(message([&] { file.get_string("nope"); }).substr(0, 62),
            "test.gguf: metadata \"nope\": this key is missing (expected a ST");
  EXPECT_EQ(message([&] { file.get_string("u8"); }),
            "test.gguf: metadata \"u8\": its type is UINT8 (expected a STRING)");
  EXPECT_EQ(message([&] { file.int_array("words"); }),
            "test.gguf: metadata \"words\": its type is an ARRAY of STRING (expected an ARRAY of integers)");
  EXPECT_NE(message([&] { file.get_uint("i32"); }).find("-7"), std::string::npos);
  EXPECT_NE(message([&] { file.get_int("u64"); }).find("too large"), std::string::npos);
  for (const auto& f : std::vector<std::function<void()>>{
           [&] { file.get_uint("f32"); }, [&] { file.get_float("u8"); }, [&] { file.get_bool("u8"); },
           [&] { file.string_array("numbers"); }, [&] { file.float_array("numbers"); },
           [&] { file.int_array("u8"); }, [&] { file.get_int("numbers"); }, [&] { file.get_uint("bool"); },
           [&] { file.optional_string("u8"); }})
    EXPECT_NE(message(f), "no error");
  EXPECT_EQ(file.optional_uint("nope"), std::nullopt);
  EXPECT_EQ(file.optional_uint("u8"), 200u);
  EXPECT_EQ(file.optional_string_array("nope"), std::nullopt);
}

struct Corruption {
  const char* name;
  std::function<void(Spec&)> spoil;
  const char* says;  // in the message
};

class GgufCorruption : public ::testing::TestWithParam<Corruption> {};

TEST_P(GgufCorruption, IsRefusedByName) {
  Spec spec = valid();
  GetParam().spoil(spec);
  const std::string bytes = bytes_of(spec);
  try {
    parse(bytes);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInput);
    EXPECT_NE(std::string(e.what()).find(GetParam().says), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).rfind("test.gguf", 0), 0u) << e.what();
  }
}

constexpr uint64_t kHuge = uint64_t{1} << 62;

void add(Spec& spec, std::string key, std::string encoded) {
  spec.values.push_back({std::move(key), std::move(encoded)});
}

const Corruption kCorruptions[] = {
    {"Magic", [](Spec& s) { s.magic = "GGML"; }, "not a GGUF file: it begins with \"GGML\""},
    {"Version0", [](Spec& s) { s.version = 0; }, "GGUF version 0"},
    {"Version1", [](Spec& s) { s.version = 1; }, "GGUF version 1"},
    {"Version4", [](Spec& s) { s.version = 4; }, "GGUF version 4"},
    {"BigEndian", [](Spec& s) { s.version = 0x03000000; }, "big-endian"},
    {"TensorCountHuge", [](Spec& s) { s.extra_tensors = kHuge; }, "tensors are announced"},
    {"TensorCountWraps", [](Spec& s) { s.extra_tensors = ~uint64_t{0} - 5; }, "tensors are announced"},
    {"ValueCountHuge", [](Spec& s) { s.extra_values = kHuge; }, "metadata values are announced"},
    {"ValueCountOneMore", [](Spec& s) { s.extra_values = 1; }, ""},
    {"TensorCountOneMore", [](Spec& s) { s.extra_tensors = 1; }, ""},
    {"KeyTwice", [](Spec& s) { add(s, "u8", type(GgufType::kUint8) + raw<uint8_t>(1)); },
     "\"u8\": this key occurs twice"},
    {"KeyEmpty", [](Spec& s) { add(s, "", type(GgufType::kUint8) + raw<uint8_t>(1)); },
     "its key has 0 bytes"},
    {"KeyTooLong", [](Spec& s) { add(s, std::string(65536, 'k'), type(GgufType::kUint8) + raw<uint8_t>(1)); },
     "65536 bytes"},
    {"TypeUnknown", [](Spec& s) { add(s, "bad", raw<uint32_t>(13) + raw<uint64_t>(0)); },
     "\"bad\": its type is number 13"},
    {"StringPastEnd", [](Spec& s) { add(s, "bad", type(GgufType::kString) + raw<uint64_t>(100000)); },
     "ends inside metadata \"bad\""},
    {"StringLengthWraps", [](Spec& s) { add(s, "bad", type(GgufType::kString) + raw(~uint64_t{0})); },
     "metadata \"bad\""},
    {"ArrayPastEnd", [](Spec& s) { add(s, "bad", array(GgufType::kUint8, 100000, "")); },
     "ends inside metadata \"bad\""},
    {"ArraySizeOverflows", [](Spec& s) { add(s, "bad", array(GgufType::kUint64, kHuge, "")); },
     "\"bad\": a size overflows"},
    {"StringArrayCountHuge", [](Spec& s) { add(s, "bad", array(GgufType::kString, uint64_t{1} << 40, "")); },
     "metadata \"bad\""},
    {"StringArrayCountOverflows", [](Spec& s) { add(s, "bad", array(GgufType::kString, ~uint64_t{0}, "")); },
     "size overflows"},
    {"StringArrayElementPastEnd",
     [](Spec& s) { add(s, "bad", array(GgufType::kString, 1, raw<uint64_t>(99999))); }, "metadata \"bad\""},
    {"ArrayOfArrays",
     [](Spec& s) { add(s, "bad", array(GgufType::kArray, 1, array(GgufType::kUint8, 0, ""))); },
     "array of arrays"},
    {"ArrayElementUnknown",
     [](Spec& s) { add(s, "bad", type(GgufType::kArray) + raw<uint32_t>(77) + raw<uint64_t>(0)); },
     "number 77"},
    {"Bool2", [](Spec& s) { add(s, "bad", type(GgufType::kBool) + raw<uint8_t>(2)); },
     "\"bad\": a BOOL holds 2"},
    {"BoolArray9",
     [](Spec& s) { add(s, "bad", array(GgufType::kBool, 2, raw<uint8_t>(1) + raw<uint8_t>(9))); },
     "a BOOL holds 9"},
    {"Alignment0", [](Spec& s) { s.values[1].encoded = type(GgufType::kUint32) + raw<uint32_t>(0); },
     "alignment\": it is 0"},
    {"Alignment24", [](Spec& s) { s.values[1].encoded = type(GgufType::kUint32) + raw<uint32_t>(24); },
     "alignment\": it is 24"},
    {"AlignmentUint64", [](Spec& s) { s.values[1].encoded = type(GgufType::kUint64) + raw<uint64_t>(32); },
     "alignment\": it is UINT64"},
    {"AlignmentString", [](Spec& s) { s.values[1].encoded = type(GgufType::kString) + text("32"); },
     "alignment\": it is STRING"},
    {"AlignmentLargerThanFile",
     [](Spec& s) { s.values[1].encoded = type(GgufType::kUint32) + raw<uint32_t>(1u << 31); },
     "ends before the tensors' data"},
    {"Dimensions5", [](Spec& s) { s.tensors[0] = {"matrix", 5, {1, 1, 1, 1, 6}, 0, 0}; },
     "\"matrix\": it has 5 dimensions"},
    {"DimensionsHuge", [](Spec& s) { s.tensors[0].dimensions = ~0u; },
     "\"matrix\": it has 4294967295 dimensions"},
    {"Dimension0", [](Spec& s) { s.tensors[0].ne = {2, 0}; }, "dimension 1 is 0"},
    {"DimensionNegative", [](Spec& s) { s.tensors[0].ne = {2, ~uint64_t{0}}; }, "too large"},
    {"DimensionsOverflow", [](Spec& s) { s.tensors[0].ne = {uint64_t{1} << 32, uint64_t{1} << 32}; },
     "\"matrix\": a size overflows"},
    {"DimensionsWrapToSmall", [](Spec& s) { s.tensors[0] = {"matrix", 3, {kHuge, 4, 6}, 0, 0}; },
     "overflows"},
    {"BytesOverflow", [](Spec& s) { s.tensors[0].ne = {kHuge, 1}; }, "overflows"},
    {"PartialBlock", [](Spec& s) { s.tensors[1].ne = {33}; },
     "a row of 33 elements cannot be stored as Q8_0"},
    {"BlockAcrossRows", [](Spec& s) { s.tensors[1] = {"blocks", 2, {16, 2}, 8, 32}; },
     "a row of 16 elements"},
    {"TensorTypeUnknown", [](Spec& s) { s.tensors[0].type = 4; }, "\"matrix\": its type is number 4"},
    {"TensorTypeHuge", [](Spec& s) { s.tensors[0].type = ~0u; }, "its type is number 4294967295"},
    {"OffsetPastEnd", [](Spec& s) { s.tensors[1].offset = 1 << 20; }, "\"blocks\": it ends at byte"},
    {"EndOneBlockPast", [](Spec& s) { s.tensors[1].ne = {64}; }, "runs past the end of the file"},
    {"OffsetPlusSizeOverflows", [](Spec& s) { s.tensors[1].offset = ~uint64_t{31}; },
     "\"blocks\": a size overflows"},
    {"OffsetUnaligned", [](Spec& s) { s.tensors[1].offset = 31; }, "offset 31 is not aligned"},
    {"Overlap", [](Spec& s) { s.tensors[1].offset = 0; }, "overlap"},
    {"TensorTwice", [](Spec& s) { s.tensors[1].name = "matrix"; }, "\"matrix\": this name occurs twice"},
    {"TensorNamePastEnd",
     [](Spec& s) {
       s.tensors.clear();
       s.extra_tensors = 1;
       s.data_bytes = 0;
       s.values.push_back(
           {"z", type(GgufType::kUint8) + raw<uint8_t>(1) + raw<uint64_t>(500) + std::string(40, 'x')});
     },
     "the name of tensor 0"},
    {"ControlCharactersAreNotPrinted",
     [](Spec& s) { add(s, "\x1b[2J", type(GgufType::kBool) + raw<uint8_t>(2)); }, "\"\\x1b[2J\""},
};

INSTANTIATE_TEST_SUITE_P(All, GgufCorruption, ::testing::ValuesIn(kCorruptions),
                         [](const auto& info) { return info.param.name; });

TEST(Gguf, TruncationAtEveryByteIsAnError) {
  const std::string whole = bytes_of(valid());
  parse(whole);
  for (size_t size = 0; size < whole.size(); ++size) {
    // A copy of its own on the heap, so that a sanitizer sees a read past the end.
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(GgufFile::parse("test.gguf", std::as_bytes(std::span(part))), Error) << size;
  }
}

TEST(Gguf, EveryChangedByteIsReadOrRefused) {
  const std::string whole = bytes_of(valid());
  for (size_t i = 0; i < whole.size(); ++i)
    for (const int flip : {1, 0x80, 0xff}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      try {
        const GgufFile file = parse(changed);
        for (const TensorInfo& tensor : file.tensors()) {
          EXPECT_GE(tensor.bytes.data(), reinterpret_cast<const std::byte*>(changed.data()));
          EXPECT_LE(tensor.bytes.data() + tensor.bytes.size(),
                    reinterpret_cast<const std::byte*>(changed.data() + changed.size()));
        }
      } catch (const Error&) {
      }
    }
}

TEST(Gguf, VocabularyOnlyFileMayEndUnaligned) {
  Spec spec = valid();
  spec.tensors.clear();
  spec.data_bytes = 0;
  const std::string bytes = bytes_of(spec);
  EXPECT_TRUE(parse(bytes).tensors().empty());
}

class GgufWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("lora_gguf_test." + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  fs::path dir_;
};

// The layout against the bytes spelled out above (tests/parity reads the same writer's files with gguf-py).
TEST_F(GgufWriterTest, WritesTheFormat) {
  const std::string matrix(24, 'm'), blocks(34, 'b');
  const auto as_bytes = [](const std::string& s) { return std::as_bytes(std::span(s.data(), s.size())); };
  GgufWriter writer;
  writer.set_string("general.architecture", "qwen2");
  writer.set_uint32("n", 5);
  writer.set_bool("flag", true);
  writer.set_string_array("words", std::vector<std::string>{"a", "bc"});
  writer.set_string("general.architecture", "llama");
  writer.add_tensor("matrix", DType::kF32, {3, 2}, as_bytes(matrix));
  writer.add_tensor("blocks", DType::kQ8_0, {1, 32}, [&] {
    const auto bytes = as_bytes(blocks);
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  });
  writer.write(dir_ / "m.gguf");

  Spec spec;
  spec.values = {{"general.architecture", type(GgufType::kString) + text("llama")},
                 {"n", type(GgufType::kUint32) + raw<uint32_t>(5)},
                 {"flag", type(GgufType::kBool) + raw<uint8_t>(1)},
                 {"words", array(GgufType::kString, 2, text("a") + text("bc"))}};
  spec.tensors = {{"matrix", 2, {2, 3}, 0, 0}, {"blocks", 2, {32, 1}, 8, 32}};
  std::string expected = bytes_of(spec);
  expected.resize((expected.size() + 31) / 32 * 32);
  expected += matrix + std::string(8, '\0') + blocks + std::string(30, '\0');
  EXPECT_EQ(read_file(dir_ / "m.gguf"), expected);
}

TEST_F(GgufWriterTest, CopiesMetadataOfEveryTypeAndKeepsAlignment) {
  Spec spec = valid();
  spec.values[1].encoded = type(GgufType::kUint32) + raw<uint32_t>(64);
  spec.alignment = 64;
  spec.tensors[1].offset = 64;
  spec.data_bytes = 64 + 34;
  const std::string bytes = bytes_of(spec);
  const GgufFile from = parse(bytes);
  GgufWriter writer;
  writer.copy_metadata(from);
  for (const TensorInfo& tensor : from.tensors())
    writer.add_tensor(tensor.name, tensor.dtype, tensor.shape, tensor.bytes);
  writer.write(dir_ / "m.gguf");
  const std::string written = read_file(dir_ / "m.gguf");
  // The data between the tensors is padding, which the writer makes zero; the head must be the same.
  const size_t head = bytes.size() - spec.data_bytes;
  EXPECT_EQ(written.substr(0, head), bytes.substr(0, head));
  EXPECT_EQ(GgufFile::open(dir_ / "m.gguf").find("blocks")->bytes[0], std::byte{64});
}

TEST_F(GgufWriterTest, RefusesWhatTheFormatHasNot) {
  const std::vector<std::byte> bytes(64);
  const auto refused = [&](auto&& fill) {
    GgufWriter writer;
    fill(writer);
    EXPECT_THROW(writer.write(dir_ / "x.gguf"), Error);
    EXPECT_TRUE(fs::is_empty(dir_)) << "nothing is left behind";
  };
  refused([&](GgufWriter& w) { w.add_tensor("a", DType::kF32, {4}, bytes); });
  refused([&](GgufWriter& w) { w.add_tensor("a", DType::kU8, {64}, bytes); });
  refused([&](GgufWriter& w) { w.add_tensor("a", DType::kF32, {1, 1, 1, 1, 16}, bytes); });
  refused([&](GgufWriter& w) {
    w.add_tensor("a", DType::kF32, {16}, bytes);
    w.add_tensor("a", DType::kF32, {16}, bytes);
  });
  refused([&](GgufWriter& w) { w.add_tensor("a", DType::kQ8_0, {16}, bytes); });
}

}  // namespace
}  // namespace lora
