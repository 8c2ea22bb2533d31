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

  // Copies to.size() bytes of bytes(), from `from` on, into `to`, without bringing them into this process's memory otherwise. Any number
  // of threads at once. Errors: kMachine when the file cannot be read, or is shorter now.
  void read(const std::byte* from, std::span<std::byte> to) const;

  // Tells the system that the pages are not needed in memory for now (they stay readable).
  void release_pages() const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  int fd_ = -1;
};

// The same for a part of a mapped file: those pages that lie in `bytes` whole.
void release_mapped_pages(std::span<const std::byte> bytes);

}  // namespace lora
