// Writes a GGUF file, version 3, little-endian: metadata in the order it was set, tensors in the order they were added.
// Not a quantizer: tensor bytes arrive in their final type.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "files/gguf.h"
#include "files/tensor_info.h"

namespace lora {

class GgufWriter {
 public:
  // Metadata. Setting a key again replaces its value in place.
  void set_string(std::string_view key, std::string_view value);
  void set_uint32(std::string_view key, uint32_t value);
  void set_uint64(std::string_view key, uint64_t value);
  void set_int32(std::string_view key, int32_t value);
  void set_float32(std::string_view key, float value);
  void set_bool(std::string_view key, bool value);
  void set_string_array(std::string_view key, std::span<const std::string> values);
  void set_int32_array(std::string_view key, std::span<const int32_t> values);
  void set_float32_array(std::string_view key, std::span<const float> values);
  void copy(std::string_view key, const GgufValue& value);  // as it lay in another file
  void copy_metadata(const GgufFile& from);  // every key but split.*; `general.alignment` is taken over

  // Tensors. `bytes` must live until write(); `make` is called during write(), one tensor at a time, so that only one
  // needs to be in memory. Shapes are row-major, outermost first.
  void add_tensor(std::string name, DType dtype, std::vector<int64_t> shape,
                  std::span<const std::byte> bytes);
  void add_tensor(std::string name, DType dtype, std::vector<int64_t> shape,
                  std::function<std::vector<std::byte>()> make);

  // Writes the file atomically, replacing one at `path`. Errors: kInput on duplicate names, more than 4 dimensions, a
  // dtype that GGUF has not, or bytes that differ from shape x dtype; kMachine when the disk is full or not writable.
  void write(const std::filesystem::path& path) const;

 private:
  struct Entry {
    std::string key;
    std::string encoded;  // type and value, as in the file
  };
  struct Tensor {
    TensorInfo info;
    std::function<std::vector<std::byte>()> make;
  };
  void set(std::string_view key, std::string encoded);

  std::vector<Entry> entries_;
  std::vector<Tensor> tensors_;
  uint64_t alignment_ = 32;
};

}  // namespace lora
