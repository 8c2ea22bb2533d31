// A safetensors file (https://github.com/huggingface/safetensors#format): reading, with every check of the format made
// once at opening, and writing. Not the index of a sharded checkpoint: that is checkpoint.h.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "files/tensor_info.h"

namespace lora {

class SafetensorsFile {
 public:
  // Errors: kInput when the file is missing or breaks any rule of the format (header empty, over 100 MB or past the
  // file; not an object; duplicate names; unknown dtype; offsets that overlap, leave gaps, do not end with the file or
  // differ from shape x dtype).
  static SafetensorsFile open(const std::filesystem::path& path);
  // The same from memory; `name` stands for the path in errors, `bytes` must outlive the object.
  static SafetensorsFile parse(std::string name, std::span<const std::byte> bytes);

  SafetensorsFile(SafetensorsFile&&) noexcept = default;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept = default;
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // by offset in the file
  const TensorInfo* find(std::string_view name) const;                 // nullptr when absent
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& name() const { return name_; }  // the path, for messages
  // What the tensors' bytes point into: whoever keeps it keeps the bytes. Null for one from memory.
  std::shared_ptr<const MappedFile> mapping() const { return file_; }
  void release_pages() const {
    if (file_) file_->release_pages();
  }

 private:
  SafetensorsFile() = default;

  std::shared_ptr<const MappedFile> file_;
  std::string name_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  std::unordered_map<std::string_view, size_t> index_;
};

// Writes `tensors` (any order; their bytes are read while writing) to `path`, replacing a file there; atomic and
// durable. The same tensors and metadata give the same bytes. Tensors are laid out by falling element size, then name,
// as the Python package does, so that each is aligned for its type.
// Errors: kInput on duplicate names, a dtype that the format has not, or bytes that differ from shape x dtype;
// kMachine when the disk is full or not writable.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorInfo> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace lora
