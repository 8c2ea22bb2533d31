// One base model on disk, whatever its container: a GGUF file (with its further parts, when it is split), or a Hugging
// Face folder (config.json with model.safetensors, or with model.safetensors.index.json and its shards). Names are the
// container's own: weights/gguf_names.h translates. No tensors, no knowledge of model families.
//
// What is never done: pickled weights (.bin, .pt, .pth, .ckpt) are refused, not unpickled. A shard's name in the index must be
// a plain file name. A weight file may be a link only when it leads to a file inside the same folder, or, in a folder
// of the Hugging Face hub cache (…/snapshots/REVISION), into that repository's own …/blobs.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "files/gguf.h"
#include "files/safetensors.h"
#include "files/tensor_info.h"

namespace lora {

class Checkpoint {
 public:
  // `path`: a GGUF file or a Hugging Face folder. Errors: kInput when it is neither, or when a part is missing,
  // damaged or refused.
  static Checkpoint open(const std::filesystem::path& path);

  Checkpoint(Checkpoint&&) noexcept = default;
  Checkpoint& operator=(Checkpoint&&) noexcept = default;
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  const std::filesystem::path& path() const { return path_; }
  bool is_gguf() const { return gguf_.has_value(); }
  const GgufFile& gguf() const;          // Error (kInput) when is_gguf() is false
  const nlohmann::json& config() const;  // config.json, an object; Error (kInput) when is_gguf() is true

  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // sorted by name
  const TensorInfo* find(std::string_view name) const;                 // nullptr when absent

  // Identity of the weights for the records of a run: SHA-256 over every tensor's name, dtype, shape and 16 evenly
  // spread samples of 64 bytes. Milliseconds; the same for copies, renames and other sharding of the same tensors;
  // differs between a GGUF and its Hugging Face twin. Finds another model or quantization, not a few changed weights.
  std::string fingerprint() const;

  // The files that the tensors' bytes point into. Whoever keeps them may use the bytes after this object is gone.
  std::vector<std::shared_ptr<const MappedFile>> mappings() const;

  // Tells the system that the mapped pages are not needed in memory for now.
  void release_pages() const;

 private:
  Checkpoint() = default;
  void open_folder();
  void index_tensors();

  std::filesystem::path path_;
  std::optional<GgufFile> gguf_;
  std::vector<SafetensorsFile> shards_;
  nlohmann::json config_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, size_t> index_;
};

}  // namespace lora
