#include "files/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "base/checked.h"
#include "files/byte_reader.h"

namespace lora {
namespace {

constexpr uint32_t kMostDimensions = 4;
constexpr uint64_t kLongestKey = 65535;
constexpr std::string_view kDamaged = "The file is damaged or malicious; download it again.";

constexpr std::array<std::string_view, 13> kTypeNames = {"UINT8",  "INT8",    "UINT16", "INT16",  "UINT32",
                                                         "INT32",  "FLOAT32", "BOOL",   "STRING", "ARRAY",
                                                         "UINT64", "INT64",   "FLOAT64"};
// Bytes of a value; 0: depends on the value.
constexpr std::array<uint64_t, 13> kTypeBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

uint64_t bytes_of(GgufType type) {
  return kTypeBytes.at(static_cast<size_t>(type));
}

std::string described(const GgufValue& value) {
  if (value.type != GgufType::kArray) return std::string(gguf_type_name(value.type));
  return "an ARRAY of " + std::string(gguf_type_name(value.element));
}

template <typename T>
T element_at(const GgufValue& value, uint64_t i) {
  T result;
  std::memcpy(&result, value.bytes.data() + i * sizeof(T), sizeof(T));
  return result;
}

// Element i of an integer value or array. nullopt: not an integer type, or out of int64's range.
std::optional<int64_t> integer_at(const GgufValue& value, GgufType type, uint64_t i) {
  switch (type) {
    case GgufType::kUint8:
      return element_at<uint8_t>(value, i);
    case GgufType::kInt8:
      return element_at<int8_t>(value, i);
    case GgufType::kUint16:
      return element_at<uint16_t>(value, i);
    case GgufType::kInt16:
      return element_at<int16_t>(value, i);
    case GgufType::kUint32:
      return element_at<uint32_t>(value, i);
    case GgufType::kInt32:
      return element_at<int32_t>(value, i);
    case GgufType::kInt64:
      return element_at<int64_t>(value, i);
    case GgufType::kUint64: {
      const auto number = element_at<uint64_t>(value, i);
      if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
      return static_cast<int64_t>(number);
    }
    default:
      return std::nullopt;
  }
}

bool is_integer(GgufType type) {
  return bytes_of(type) != 0 && type != GgufType::kFloat32 && type != GgufType::kFloat64 &&
         type != GgufType::kBool;
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  return kTypeNames.at(static_cast<size_t>(type));
}

// Reads a file front to back and fills a GgufFile.
class GgufFile::Parser {
 public:
  Parser(GgufFile& file, std::span<const std::byte> bytes)
      : file_(file), bytes_(bytes), reader_(file.name_, bytes) {}

  void parse() {
    read_header();
    read_metadata();
    read_alignment();
    read_tensor_infos();
    place_tensors();
  }

 private:
  [[noreturn]] void fail(const std::string& where, std::string found, std::string expected = {}) const {
    throw Error::input({.where = file_.name_ + (where.empty() ? "" : ": " + where),
                        .found = std::move(found),
                        .expected = std::move(expected),
                        .fix = std::string(kDamaged)});
  }

  void read_header() {
    const auto magic = reader_.take(4, "the magic number");
    if (std::memcmp(magic.data(), "GGUF", 4) != 0)
      throw Error::input({.where = file_.name_,
                          .found = "this is not a GGUF file: it begins with " +
                                   in_quotes({reinterpret_cast<const char*>(magic.data()), 4}),
                          .expected = "the magic number \"GGUF\"",
                          .fix = "Give a .gguf file, or a Hugging Face folder."});
    file_.version_ = reader_.read<uint32_t>("the version");
    // A version fits 16 bits: one with only upper bits set was written in the other byte order.
    if (file_.version_ != 0 && (file_.version_ & 0xffff) == 0)
      throw Error::input({.where = file_.name_,
                          .found = "this is a big-endian GGUF file",
                          .expected = "a little-endian one",
                          .fix = "Convert it with gguf-py's gguf_convert_endian."});
    if (file_.version_ < 2 || file_.version_ > 3)
      throw Error::input({.where = file_.name_,
                          .found = "GGUF version " + std::to_string(file_.version_),
                          .expected = "version 2 or 3",
                          .fix = "Get a file written by a current llama.cpp."});
    tensor_count_ = reader_.read<uint64_t>("the number of tensors");
    value_count_ = reader_.read<uint64_t>("the number of metadata values");
    // The least that an entry takes: name length, dimensions, type, offset; key length, type, one byte.
    check_count(tensor_count_, 8 + 4 + 4 + 8, "tensors");
    check_count(value_count_, 8 + 4 + 1, "metadata values");
  }

  void check_count(uint64_t count, uint64_t least_bytes, const std::string& what) const {
    if (count > reader_.remaining() / least_bytes)
      fail("", std::to_string(count) + " " + what + " are announced, more than a file of " +
                   std::to_string(bytes_.size()) + " bytes can hold");
  }

  void read_metadata() {
    file_.keys_.reserve(value_count_);
    file_.values_.reserve(value_count_);
    for (uint64_t i = 0; i < value_count_; ++i) {
      const std::string nth = "metadata value " + std::to_string(i);
      const std::string_view key = reader_.read_string("the key of " + nth);
      if (key.empty() || key.size() > kLongestKey)
        fail(nth, "its key has " + std::to_string(key.size()) + " bytes",
             "1 to " + std::to_string(kLongestKey));
      const std::string where = "metadata " + in_quotes(key);
      const GgufValue value = read_value(where);
      if (!file_.values_.emplace(key, value).second) fail(where, "this key occurs twice");
      file_.keys_.push_back(key);
    }
  }

  GgufType read_type(const std::string& where) {
    const auto number = reader_.read<uint32_t>("the type of " + where);
    if (number >= kTypeNames.size())
      fail(where, "its type is number " + std::to_string(number), "a GGUF value type, 0 to 12");
    return static_cast<GgufType>(number);
  }

  GgufValue read_value(const std::string& where) {
    GgufValue value;
    value.type = value.element = read_type(where);
    if (value.type == GgufType::kArray) {
      value.element = read_type("the elements of " + where);
      if (value.element == GgufType::kArray)
        fail(where, "it is an array of arrays, which no model file needs");
      value.count = reader_.read<uint64_t>("the length of " + where);
    }
    const uint64_t begin = reader_.offset();
    if (value.element == GgufType::kString) {
      if (value.count > reader_.remaining() / 8)
        reader_.take(checked_mul(value.count, 8, file_.name_), where);
      for (uint64_t i = 0; i < value.count; ++i) reader_.read_string(where);
    } else {
      reader_.take(checked_mul(value.count, bytes_of(value.element), file_.name_ + ": " + where), where);
    }
    value.bytes = bytes_.subspan(begin, reader_.offset() - begin);
    if (value.element == GgufType::kBool)
      for (const std::byte b : value.bytes)
        if (b > std::byte{1}) fail(where, "a BOOL holds " + std::to_string(static_cast<int>(b)), "0 or 1");
    return value;
  }

  void read_alignment() {
    const GgufValue* value = file_.value("general.alignment");
    if (!value) return;
    if (value->type != GgufType::kUint32)
      fail("metadata \"general.alignment\"", "it is " + described(*value), "UINT32");
    file_.alignment_ = element_at<uint32_t>(*value, 0);
    if (!std::has_single_bit(file_.alignment_))
      fail("metadata \"general.alignment\"", "it is " + std::to_string(file_.alignment_), "a power of two");
  }

  void read_tensor_infos() {
    check_count(tensor_count_, 8 + 4 + 4 + 8, "tensors");
    file_.tensors_.reserve(tensor_count_);
    offsets_.reserve(tensor_count_);
    for (uint64_t i = 0; i < tensor_count_; ++i) {
      TensorInfo tensor;
      tensor.name = reader_.read_string("the name of tensor " + std::to_string(i));
      const std::string where = "tensor " + in_quotes(tensor.name);
      const auto dimensions = reader_.read<uint32_t>(where);
      if (dimensions > kMostDimensions)
        fail(where, "it has " + std::to_string(dimensions) + " dimensions", "at most 4");
      for (uint32_t d = 0; d < dimensions; ++d) {
        const auto size = reader_.read<uint64_t>(where);
        if (size == 0) fail(where, "dimension " + std::to_string(d) + " is 0", "at least 1");
        tensor.shape.push_back(checked_int64(size, file_.name_ + ": " + where));
      }
      std::reverse(tensor.shape.begin(), tensor.shape.end());
      const auto type = reader_.read<uint32_t>(where);
      const auto dtype = dtype_of_ggml(type);
      if (!dtype)
        throw Error::input({.where = file_.name_ + ": " + where,
                            .found = "its type is number " + std::to_string(type) + ", which is unknown here",
                            .fix = "Use a file with common types, e.g. Q4_K_M or Q8_0."});
      tensor.dtype = *dtype;
      offsets_.push_back(reader_.read<uint64_t>(where));
      file_.tensors_.push_back(std::move(tensor));
    }
    for (size_t i = 0; i < file_.tensors_.size(); ++i)
      if (!file_.index_.emplace(file_.tensors_[i].name, i).second)
        fail("tensor " + in_quotes(file_.tensors_[i].name), "this name occurs twice");
  }

  void place_tensors() {
    if (file_.tensors_.empty()) return;  // a vocabulary-only file may end here, unaligned
    const uint64_t data_begin = checked_add(reader_.offset(), file_.alignment_ - 1, file_.name_) /
                                file_.alignment_ * file_.alignment_;
    if (data_begin > bytes_.size()) fail("", "the file ends before the tensors' data");
    const std::span<const std::byte> data = bytes_.subspan(data_begin);
    for (size_t i = 0; i < offsets_.size(); ++i) {
      TensorInfo& tensor = file_.tensors_[i];
      const std::string where = "tensor " + in_quotes(tensor.name);
      const uint64_t size = tensor_bytes(tensor.dtype, tensor.shape, file_.name_ + ": " + where);
      if (offsets_[i] % file_.alignment_ != 0)
        fail(where, "its offset " + std::to_string(offsets_[i]) + " is not aligned",
             "a multiple of " + std::to_string(file_.alignment_));
      const uint64_t end = checked_add(offsets_[i], size, file_.name_ + ": " + where);
      if (end > data.size())
        fail(where, "it ends at byte " + std::to_string(end) + " of the data, which has " +
                        std::to_string(data.size()) + ": it runs past the end of the file");
      tensor.bytes = data.subspan(offsets_[i], size);
    }
    refuse_overlap();
  }

  void refuse_overlap() const {
    std::vector<const TensorInfo*> sorted;
    for (const TensorInfo& tensor : file_.tensors_) sorted.push_back(&tensor);
    std::sort(sorted.begin(), sorted.end(),
              [](const TensorInfo* a, const TensorInfo* b) { return a->bytes.data() < b->bytes.data(); });
    for (size_t i = 1; i < sorted.size(); ++i)
      if (sorted[i - 1]->bytes.data() + sorted[i - 1]->bytes.size() > sorted[i]->bytes.data())
        fail("tensor " + in_quotes(sorted[i]->name),
             "its bytes overlap those of " + in_quotes(sorted[i - 1]->name));
  }

  GgufFile& file_;
  std::span<const std::byte> bytes_;
  ByteReader reader_;
  uint64_t tensor_count_ = 0, value_count_ = 0;
  std::vector<uint64_t> offsets_;
};

GgufFile GgufFile::open_part(const std::filesystem::path& path) {
  MappedFile mapped(path);
  GgufFile file = parse(path.string(), mapped.bytes());
  file.file_ = std::make_shared<const MappedFile>(std::move(mapped));  // the mapping keeps its address
  return file;
}

GgufFile GgufFile::parse(std::string name, std::span<const std::byte> bytes) {
  GgufFile file;
  file.name_ = std::move(name);
  Parser(file, bytes).parse();
  return file;
}

const GgufValue* GgufFile::value(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

bool GgufFile::is_array(std::string_view key) const {
  const GgufValue* v = value(key);
  return v && v->type == GgufType::kArray;
}

const TensorInfo* GgufFile::find(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

const GgufValue& GgufFile::require(std::string_view key, std::string_view expected) const {
  const GgufValue* v = value(key);
  if (!v)
    throw Error::input({.where = name_ + ": metadata " + in_quotes(key),
                        .found = "this key is missing",
                        .expected = std::string(expected),
                        .fix = "The file is incomplete; convert or download it again."});
  return *v;
}

void GgufFile::wrong_type(std::string_view key, std::string_view expected) const {
  throw Error::input({.where = name_ + ": metadata " + in_quotes(key),
                      .found = "its type is " + described(*value(key)),
                      .expected = std::string(expected)});
}

std::string_view GgufFile::get_string(std::string_view key) const {
  const GgufValue& v = require(key, "a STRING");
  if (v.type != GgufType::kString) wrong_type(key, "a STRING");
  return ByteReader(name_, v.bytes).read_string(key);
}

int64_t GgufFile::get_int(std::string_view key) const {
  const GgufValue& v = require(key, "an integer");
  if (!is_integer(v.type)) wrong_type(key, "an integer");
  const auto number = integer_at(v, v.type, 0);
  if (!number)
    throw Error::input(
        {.where = name_ + ": metadata " + in_quotes(key),
         .found = "the number " + std::to_string(element_at<uint64_t>(v, 0)) + " is too large"});
  return *number;
}

uint64_t GgufFile::get_uint(std::string_view key) const {
  const GgufValue& v = require(key, "an integer, 0 or more");
  if (v.type == GgufType::kUint64) return element_at<uint64_t>(v, 0);
  if (!is_integer(v.type)) wrong_type(key, "an integer, 0 or more");
  const int64_t number = get_int(key);
  if (number < 0)
    throw Error::input({.where = name_ + ": metadata " + in_quotes(key),
                        .found = "the number is " + std::to_string(number),
                        .expected = "0 or more"});
  return static_cast<uint64_t>(number);
}

double GgufFile::get_float(std::string_view key) const {
  const GgufValue& v = require(key, "a FLOAT32 or FLOAT64");
  if (v.type == GgufType::kFloat32) return element_at<float>(v, 0);
  if (v.type == GgufType::kFloat64) return element_at<double>(v, 0);
  wrong_type(key, "a FLOAT32 or FLOAT64");
}

bool GgufFile::get_bool(std::string_view key) const {
  const GgufValue& v = require(key, "a BOOL");
  if (v.type != GgufType::kBool) wrong_type(key, "a BOOL");
  return v.bytes[0] != std::byte{0};
}

std::vector<std::string_view> GgufFile::string_array(std::string_view key) const {
  const GgufValue& v = require(key, "an ARRAY of STRING");
  if (v.type != GgufType::kArray || v.element != GgufType::kString) wrong_type(key, "an ARRAY of STRING");
  std::vector<std::string_view> strings;
  strings.reserve(v.count);
  ByteReader reader(name_, v.bytes);
  for (uint64_t i = 0; i < v.count; ++i) strings.push_back(reader.read_string(key));
  return strings;
}

std::vector<int64_t> GgufFile::int_array(std::string_view key) const {
  const GgufValue& v = require(key, "an ARRAY of integers");
  if (v.type != GgufType::kArray || !is_integer(v.element)) wrong_type(key, "an ARRAY of integers");
  std::vector<int64_t> numbers;
  numbers.reserve(v.count);
  for (uint64_t i = 0; i < v.count; ++i) {
    const auto number = integer_at(v, v.element, i);
    if (!number)
      throw Error::input({.where = name_ + ": metadata " + in_quotes(key),
                          .found = "element " + std::to_string(i) + " is too large"});
    numbers.push_back(*number);
  }
  return numbers;
}

std::vector<float> GgufFile::float_array(std::string_view key) const {
  const GgufValue& v = require(key, "an ARRAY of FLOAT32 or FLOAT64");
  const bool single = v.element == GgufType::kFloat32;
  if (v.type != GgufType::kArray || (!single && v.element != GgufType::kFloat64))
    wrong_type(key, "an ARRAY of FLOAT32 or FLOAT64");
  std::vector<float> numbers;
  numbers.reserve(v.count);
  for (uint64_t i = 0; i < v.count; ++i)
    numbers.push_back(single ? element_at<float>(v, i) : static_cast<float>(element_at<double>(v, i)));
  return numbers;
}

std::optional<std::string_view> GgufFile::optional_string(std::string_view key) const {
  return has(key) ? std::optional(get_string(key)) : std::nullopt;
}
std::optional<uint64_t> GgufFile::optional_uint(std::string_view key) const {
  return has(key) ? std::optional(get_uint(key)) : std::nullopt;
}
std::optional<int64_t> GgufFile::optional_int(std::string_view key) const {
  return has(key) ? std::optional(get_int(key)) : std::nullopt;
}
std::optional<double> GgufFile::optional_float(std::string_view key) const {
  return has(key) ? std::optional(get_float(key)) : std::nullopt;
}
std::optional<bool> GgufFile::optional_bool(std::string_view key) const {
  return has(key) ? std::optional(get_bool(key)) : std::nullopt;
}
std::optional<std::vector<std::string_view>> GgufFile::optional_string_array(std::string_view key) const {
  return has(key) ? std::optional(string_array(key)) : std::nullopt;
}
std::optional<std::vector<int64_t>> GgufFile::optional_int_array(std::string_view key) const {
  return has(key) ? std::optional(int_array(key)) : std::nullopt;
}
std::optional<std::vector<float>> GgufFile::optional_float_array(std::string_view key) const {
  return has(key) ? std::optional(float_array(key)) : std::nullopt;
}

}  // namespace lora
