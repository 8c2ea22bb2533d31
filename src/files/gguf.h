// A GGUF file, versions 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata and tensors.
// All bounds are checked once, in open(); afterwards lookups cannot run past the file. Not a dequantizer, and no
// knowledge of what the keys mean. Writing is gguf_writer.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "files/tensor_info.h"

namespace lora {

// The numbers that the format gives its value types.
enum class GgufType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
std::string_view gguf_type_name(GgufType type);  // "UINT32", "ARRAY"

// A metadata value as it lies in the file.
struct GgufValue {
  GgufType type = GgufType::kUint32;  // kArray: `count` elements of type `element`
  GgufType element = GgufType::kUint32;
  uint64_t count = 1;
  std::span<const std::byte> bytes;  // what follows the type (and, in an array, element type and count)
};

class GgufFile {
 public:
  // Errors: kInput when the file is missing, is no GGUF file, is big-endian, or breaks any rule of the format.
  // A file that llama.cpp split (NAME-00001-of-00003.gguf) is opened with all its parts, whichever of them `path` names,
  // and is one model from then on; more errors: a part is missing, or does not belong to the others (gguf_split.cpp).
  static GgufFile open(const std::filesystem::path& path);
  // The same from memory; `name` stands for the path in errors, `bytes` must outlive the object.
  static GgufFile parse(std::string name, std::span<const std::byte> bytes);

  GgufFile(GgufFile&&) noexcept = default;
  GgufFile& operator=(GgufFile&&) noexcept = default;
  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  // Metadata. Strings point into the file and live as long as this object.
  bool has(std::string_view key) const { return values_.contains(key); }
  const std::vector<std::string_view>& keys() const { return keys_; }  // in file order
  const GgufValue* value(std::string_view key) const;                  // nullptr when absent
  bool is_array(std::string_view key) const;                           // false when absent

  // Typed lookups. Errors: kInput naming the key when it is absent, of another type, or (get_uint) negative.
  // Integers of any width are accepted where the value fits; floats of both widths. No other conversion is made.
  std::string_view get_string(std::string_view key) const;
  uint64_t get_uint(std::string_view key) const;
  int64_t get_int(std::string_view key) const;
  double get_float(std::string_view key) const;
  bool get_bool(std::string_view key) const;
  std::vector<std::string_view> string_array(std::string_view key) const;
  std::vector<int64_t> int_array(std::string_view key) const;
  std::vector<float> float_array(std::string_view key) const;  // FLOAT64 elements are rounded

  // As above, but nullopt when the key is absent. A wrong type is still an Error.
  std::optional<std::string_view> optional_string(std::string_view key) const;
  std::optional<uint64_t> optional_uint(std::string_view key) const;
  std::optional<int64_t> optional_int(std::string_view key) const;
  std::optional<double> optional_float(std::string_view key) const;
  std::optional<bool> optional_bool(std::string_view key) const;
  std::optional<std::vector<std::string_view>> optional_string_array(std::string_view key) const;
  std::optional<std::vector<int64_t>> optional_int_array(std::string_view key) const;
  std::optional<std::vector<float>> optional_float_array(std::string_view key) const;

  // Tensors, in file order. Shapes are row-major, outermost first (the file stores them the other way round).
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const TensorInfo* find(std::string_view name) const;  // nullptr when absent

  uint32_t version() const { return version_; }
  uint64_t alignment() const { return alignment_; }
  const std::string& name() const { return name_; }  // the path, for messages
  // The files that were opened, the first part first; empty for one from memory.
  std::vector<std::filesystem::path> paths() const;
  // What the tensors' bytes point into: whoever keeps them keeps the bytes. Empty for one from memory.
  std::vector<std::shared_ptr<const MappedFile>> mappings() const;
  void release_pages() const {
    if (file_) file_->release_pages();
    for (const GgufFile& part : parts_) part.release_pages();
  }

 private:
  class Parser;
  static GgufFile open_part(const std::filesystem::path& path);
  void join(std::vector<GgufFile> others);
  GgufFile() = default;
  const GgufValue& require(std::string_view key, std::string_view expected) const;
  [[noreturn]] void wrong_type(std::string_view key, std::string_view expected) const;

  std::shared_ptr<const MappedFile> file_;
  std::string name_;
  uint32_t version_ = 0;
  uint64_t alignment_ = 32;
  std::vector<std::string_view> keys_;
  std::unordered_map<std::string_view, GgufValue> values_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, size_t> index_;
  std::vector<GgufFile> parts_;  // of a split file: all but the first, whose tensors are in tensors_ too
};

}  // namespace lora
