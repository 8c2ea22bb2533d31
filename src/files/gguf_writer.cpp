#include "files/gguf_writer.h"

#include <bit>
#include <unordered_set>

#include "base/checked.h"
#include "files/byte_reader.h"
#include "files/streamed_file.h"

namespace lora {
namespace {

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void append_string(std::string& out, std::string_view text) {
  append<uint64_t>(out, text.size());
  out += text;
}

template <typename T>
std::string scalar(GgufType type, T value) {
  std::string out;
  append(out, static_cast<uint32_t>(type));
  append(out, value);
  return out;
}

std::string array_head(GgufType element, uint64_t count) {
  std::string out = scalar(GgufType::kArray, static_cast<uint32_t>(element));
  append(out, count);
  return out;
}

uint64_t aligned(uint64_t offset, uint64_t alignment, std::string_view where) {
  return checked_add(offset, alignment - 1, where) / alignment * alignment;
}

}  // namespace

void GgufWriter::set(std::string_view key, std::string encoded) {
  for (Entry& entry : entries_)
    if (entry.key == key) {
      entry.encoded = std::move(encoded);
      return;
    }
  entries_.push_back({std::string(key), std::move(encoded)});
}

void GgufWriter::set_string(std::string_view key, std::string_view value) {
  std::string out;
  append(out, static_cast<uint32_t>(GgufType::kString));
  append_string(out, value);
  set(key, std::move(out));
}

void GgufWriter::set_uint32(std::string_view key, uint32_t value) {
  if (key == "general.alignment") {
    if (!std::has_single_bit(value))
      throw Error::input({.where = "general.alignment",
                          .found = "it is " + std::to_string(value),
                          .expected = "a power of two"});
    alignment_ = value;
  }
  set(key, scalar(GgufType::kUint32, value));
}
void GgufWriter::set_uint64(std::string_view key, uint64_t value) {
  set(key, scalar(GgufType::kUint64, value));
}
void GgufWriter::set_int32(std::string_view key, int32_t value) {
  set(key, scalar(GgufType::kInt32, value));
}
void GgufWriter::set_float32(std::string_view key, float value) {
  set(key, scalar(GgufType::kFloat32, value));
}
void GgufWriter::set_bool(std::string_view key, bool value) {
  set(key, scalar(GgufType::kBool, static_cast<uint8_t>(value)));
}

void GgufWriter::set_string_array(std::string_view key, std::span<const std::string> values) {
  std::string out = array_head(GgufType::kString, values.size());
  for (const std::string& value : values) append_string(out, value);
  set(key, std::move(out));
}

void GgufWriter::set_int32_array(std::string_view key, std::span<const int32_t> values) {
  std::string out = array_head(GgufType::kInt32, values.size());
  for (const int32_t value : values) append(out, value);
  set(key, std::move(out));
}

void GgufWriter::set_float32_array(std::string_view key, std::span<const float> values) {
  std::string out = array_head(GgufType::kFloat32, values.size());
  for (const float value : values) append(out, value);
  set(key, std::move(out));
}

void GgufWriter::copy(std::string_view key, const GgufValue& value) {
  if (key == "general.alignment" && value.type == GgufType::kUint32) {
    uint32_t alignment;
    std::memcpy(&alignment, value.bytes.data(), sizeof(alignment));
    return set_uint32(key, alignment);
  }
  std::string out;
  if (value.type == GgufType::kArray)
    out = array_head(value.element, value.count);
  else
    append(out, static_cast<uint32_t>(value.type));
  out.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  set(key, std::move(out));
}

void GgufWriter::copy_metadata(const GgufFile& from) {
  for (const std::string_view key : from.keys())
    if (!key.starts_with("split.")) copy(key, *from.value(key));  // what is written is whole
}

void GgufWriter::add_tensor(std::string name, DType dtype, std::vector<int64_t> shape,
                            std::span<const std::byte> bytes) {
  tensors_.push_back({TensorInfo{std::move(name), dtype, std::move(shape), bytes}, nullptr});
}

void GgufWriter::add_tensor(std::string name, DType dtype, std::vector<int64_t> shape,
                            std::function<std::vector<std::byte>()> make) {
  tensors_.push_back({TensorInfo{std::move(name), dtype, std::move(shape), {}}, std::move(make)});
}

void GgufWriter::write(const std::filesystem::path& path) const {
  std::string head = "GGUF";
  append<uint32_t>(head, 3);
  append<uint64_t>(head, tensors_.size());
  append<uint64_t>(head, entries_.size());
  for (const Entry& entry : entries_) {
    append_string(head, entry.key);
    head += entry.encoded;
  }

  std::unordered_set<std::string_view> names;
  std::vector<uint64_t> sizes;
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    const TensorInfo& info = tensor.info;
    const std::string where = path.string() + ": tensor " + in_quotes(info.name);
    if (!names.insert(info.name).second)
      throw Error::input({.where = where, .found = "this name is used twice"});
    if (info.shape.size() > 4)
      throw Error::input({.where = where,
                          .found = "it has " + std::to_string(info.shape.size()) + " dimensions",
                          .expected = "at most 4"});
    const auto type = ggml_type_of(info.dtype);
    if (!type)
      throw Error::input(
          {.where = where, .found = "GGUF has no type " + std::string(dtype_name(info.dtype))});
    const uint64_t size = tensor_bytes(info.dtype, info.shape, where);
    append_string(head, info.name);
    append(head, static_cast<uint32_t>(info.shape.size()));
    for (auto d = info.shape.rbegin(); d != info.shape.rend(); ++d)
      append<uint64_t>(head, static_cast<uint64_t>(*d));
    append(head, *type);
    append(head, offset);
    sizes.push_back(size);
    offset = aligned(checked_add(offset, size, where), alignment_, where);
  }

  StreamedFile file(path);
  file.write(head);
  file.pad_to(alignment_);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    std::vector<std::byte> made;
    if (tensors_[i].make) made = tensors_[i].make();
    const std::span<const std::byte> bytes =
        tensors_[i].make ? std::span<const std::byte>(made) : tensors_[i].info.bytes;
    if (bytes.size() != sizes[i])
      throw Error::input({.where = path.string() + ": tensor " + in_quotes(tensors_[i].info.name),
                          .found = std::to_string(bytes.size()) + " bytes were given",
                          .expected = std::to_string(sizes[i])});
    file.write(bytes);
    file.pad_to(alignment_);
  }
  file.commit();
}

}  // namespace lora
