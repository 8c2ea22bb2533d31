// A read-only file mapped into memory. The bytes live as long as the object.
// Not for files that another process may shorten meanwhile: reading past the new end would be fatal.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace lora {

class MappedFile {
 public:
  // Errors: kInput when the file does not exist or is a folder, kMachine when it cannot be mapped.
  // An empty file gives an empty span.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  // Tells the system that the pages are not needed in memory for now (they stay readable).
  void release_pages() const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The same for a part of a mapped file: those pages that lie in `bytes` whole.
void release_mapped_pages(std::span<const std::byte> bytes);

}  // namespace lora
