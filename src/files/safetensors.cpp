#include "files/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/checked.h"
#include "files/byte_reader.h"
#include "files/streamed_file.h"

namespace lora {
namespace {

constexpr uint64_t kLargestHeader = 100'000'000;  // as the reference implementation
constexpr size_t kMostDimensions = 64;
constexpr std::string_view kMetadata = "__metadata__";

struct Entry {
  TensorInfo info;
  uint64_t begin = 0, end = 0;
};

// The header's JSON, read as events: no tree is built, nothing nested deeper than the format is accepted, and keys that
// occur twice are seen. nlohmann::json calls the functions by name.
class HeaderHandler {
 public:
  using json = nlohmann::json;

  explicit HeaderHandler(const std::string& file) : file_(file) {}

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool start_object(size_t) {
    if (state_ == State::kBegin) return enter(State::kTop);
    if (state_ != State::kTop || key_.empty()) fail("an object is where none belongs");
    if (key_ == kMetadata) return enter(State::kMetadata);
    entry_ = {};
    entry_.info.name = key_;
    has_dtype_ = has_shape_ = has_offsets_ = false;
    return enter(State::kTensor);
  }

  bool end_object() {
    if (state_ == State::kTensor) {
      if (!has_dtype_ || !has_shape_ || !has_offsets_)
        fail(std::string("it has no ") + (!has_dtype_ ? "dtype" : !has_shape_ ? "shape" : "data_offsets"));
      entries.push_back(std::move(entry_));
    }
    return enter(state_ == State::kTop ? State::kEnd : State::kTop);
  }

  bool key(std::string& text) {
    if (state_ == State::kTop) {
      if (text.empty()) fail("a tensor has an empty name");
      key_ = text;
      if (text == kMetadata && std::exchange(has_metadata_, true)) fail("this key occurs twice");
    } else if (state_ == State::kMetadata) {
      if (metadata.contains(text)) fail("the key " + in_quotes(text) + " occurs twice");
      field_ = text;
    } else {
      bool* seen = text == "dtype"          ? &has_dtype_
                   : text == "shape"        ? &has_shape_
                   : text == "data_offsets" ? &has_offsets_
                                            : nullptr;
      if (!seen) fail("the key " + in_quotes(text) + " is unknown", "dtype, shape and data_offsets");
      if (std::exchange(*seen, true)) fail("the key " + in_quotes(text) + " occurs twice");
      field_ = text;
    }
    return true;
  }

  bool string(std::string& text) {
    if (state_ == State::kMetadata) {
      metadata.emplace(field_, text);
    } else if (state_ == State::kTensor && field_ == "dtype") {
      const auto dtype = dtype_of_safetensors(text);
      if (!dtype) fail("its dtype " + in_quotes(text) + " is unknown", "e.g. F32, F16 or BF16");
      entry_.info.dtype = *dtype;
    } else {
      fail("a string is where none belongs");
    }
    return true;
  }

  bool start_array(size_t) {
    if (state_ == State::kTensor && field_ == "shape") return enter(State::kShape);
    if (state_ == State::kTensor && field_ == "data_offsets") return enter(State::kOffsets);
    fail("an array is where none belongs");
  }

  bool end_array() {
    if (state_ == State::kOffsets) {
      if (offsets_.size() != 2)
        fail("data_offsets holds " + std::to_string(offsets_.size()) + " numbers", "2");
      entry_.begin = offsets_[0];
      entry_.end = offsets_[1];
      offsets_.clear();
    }
    return enter(State::kTensor);
  }

  bool number_unsigned(json::number_unsigned_t number) {
    if (state_ == State::kShape) {
      if (entry_.info.shape.size() == kMostDimensions) fail("it has more than 64 dimensions");
      entry_.info.shape.push_back(checked_int64(number, where()));
    } else if (state_ == State::kOffsets && offsets_.size() < 3) {
      offsets_.push_back(number);
    } else {
      fail("a number is where none belongs");
    }
    return true;
  }

  bool number_integer(json::number_integer_t number) {
    fail("the negative number " + std::to_string(number), "0 or more");
  }
  bool number_float(json::number_float_t, const std::string& text) {
    fail("the number " + in_quotes(text), "a 64-bit whole number");
  }
  bool null() { fail("a null is where none belongs"); }
  bool boolean(bool) { fail("a boolean is where none belongs"); }
  bool binary(json::binary_t&) { fail("binary data is where none belongs"); }

  bool parse_error(size_t position, const std::string&, const json::exception&) {
    key_.clear();
    fail("the header is not valid JSON at byte " + std::to_string(position) + " of it");
  }

 private:
  enum class State { kBegin, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  bool enter(State state) {
    if (state == State::kTop) key_.clear();
    if (state == State::kTensor) field_.clear();
    state_ = state;
    return true;
  }

  std::string where() const {
    return file_ + (key_.empty() ? "" : key_ == kMetadata ? ": __metadata__" : ": tensor " + in_quotes(key_));
  }

  [[noreturn]] void fail(std::string found, std::string expected = {}) const {
    throw Error::input({.where = where(),
                        .found = std::move(found),
                        .expected = std::move(expected),
                        .fix = "The file is damaged or no safetensors file; download it again."});
  }

  const std::string& file_;
  State state_ = State::kBegin;
  std::string key_, field_;
  Entry entry_;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false, has_metadata_ = false;
  std::vector<uint64_t> offsets_;
};

[[noreturn]] void fail(std::string where, std::string found, std::string expected = {}) {
  throw Error::input({.where = std::move(where),
                      .found = std::move(found),
                      .expected = std::move(expected),
                      .fix = "The file is damaged or no safetensors file; download it again."});
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  MappedFile mapped(path);
  SafetensorsFile file = parse(path.string(), mapped.bytes());
  file.file_ = std::make_shared<const MappedFile>(std::move(mapped));  // the mapping keeps its address
  return file;
}

SafetensorsFile SafetensorsFile::parse(std::string name, std::span<const std::byte> bytes) {
  SafetensorsFile file;
  file.name_ = std::move(name);
  ByteReader reader(file.name_, bytes);
  const auto header_size = reader.read<uint64_t>("the header's length");
  if (header_size == 0 || header_size > kLargestHeader)
    fail(file.name_, "the header's length is " + std::to_string(header_size), "1 to 100000000");
  const auto header = reader.take(header_size, "the header");
  if (header[0] != std::byte{'{'}) fail(file.name_, "the header does not begin with \"{\"");

  HeaderHandler handler(file.name_);
  const auto* text = reinterpret_cast<const char*>(header.data());
  nlohmann::json::sax_parse(text, text + header.size(), &handler);

  std::vector<Entry>& entries = handler.entries;
  // Empty tensors first among those that begin at the same byte.
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  const std::span<const std::byte> data = bytes.subspan(reader.offset());
  uint64_t expected_begin = 0;
  file.tensors_.reserve(entries.size());
  for (Entry& entry : entries) {
    const std::string where = file.name_ + ": tensor " + in_quotes(entry.info.name);
    const std::string offsets =
        "its bytes are " + std::to_string(entry.begin) + " to " + std::to_string(entry.end);
    if (entry.begin > entry.end) fail(where, offsets + ", backwards");
    if (entry.begin < expected_begin) fail(where, offsets + ", which overlap the tensor before it");
    if (entry.begin > expected_begin)
      fail(where, offsets + ", which leaves a gap after byte " + std::to_string(expected_begin));
    if (entry.end > data.size())
      fail(where, offsets + " of " + std::to_string(data.size()) + ": it runs past the end of the file");
    const uint64_t size = tensor_bytes(entry.info.dtype, entry.info.shape, where);
    if (size != entry.end - entry.begin)
      fail(where, offsets + ", which are " + std::to_string(entry.end - entry.begin) + " bytes",
           std::to_string(size) + " for " + std::string(dtype_name(entry.info.dtype)) + " " +
               entry.info.shape_text());
    entry.info.bytes = data.subspan(entry.begin, size);
    expected_begin = entry.end;
    file.tensors_.push_back(std::move(entry.info));
  }
  if (expected_begin != data.size())
    fail(file.name_, std::to_string(data.size() - expected_begin) + " bytes at the end belong to no tensor");
  for (size_t i = 0; i < file.tensors_.size(); ++i)
    if (!file.index_.emplace(file.tensors_[i].name, i).second)
      fail(file.name_ + ": tensor " + in_quotes(file.tensors_[i].name), "this name occurs twice");
  file.metadata_ = std::move(handler.metadata);
  return file;
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorInfo> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorInfo*> sorted;
  for (const TensorInfo& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const TensorInfo* a, const TensorInfo* b) {
    const uint32_t size_a = dtype_layout(a->dtype).block_bytes, size_b = dtype_layout(b->dtype).block_bytes;
    return size_a != size_b ? size_a > size_b : a->name < b->name;
  });

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadata)] = metadata;
  uint64_t offset = 0;
  for (const TensorInfo* tensor : sorted) {
    const std::string where = path.string() + ": tensor " + in_quotes(tensor->name);
    const auto dtype = safetensors_name_of(tensor->dtype);
    if (!dtype)
      throw Error::input(
          {.where = where, .found = "safetensors has no dtype " + std::string(dtype_name(tensor->dtype))});
    if (tensor->name.empty() || tensor->name == kMetadata)
      throw Error::input({.where = where, .found = "a tensor cannot have this name"});
    const uint64_t size = tensor_bytes(tensor->dtype, tensor->shape, where);
    if (size != tensor->bytes.size())
      throw Error::input({.where = where,
                          .found = std::to_string(tensor->bytes.size()) + " bytes were given",
                          .expected = std::to_string(size)});
    const uint64_t end = checked_add(offset, size, where);
    header[tensor->name] = {{"dtype", *dtype}, {"shape", tensor->shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  // ordered_json looks keys up one by one, so a name used twice shows as a missing entry.
  if (header.size() != sorted.size() + !metadata.empty())
    throw Error::input({.where = path.string(), .found = "two tensors have the same name"});

  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kLargestHeader)
    throw Error::input({.where = path.string(), .found = "the header is over 100 MB"});
  StreamedFile file(path);
  const uint64_t header_size = text.size();
  file.write(std::as_bytes(std::span(&header_size, 1)));
  file.write(text);
  for (const TensorInfo* tensor : sorted) file.write(tensor->bytes);
  file.commit();
}

}  // namespace lora
