// A large file written piece by piece, whole or absent: a temporary beside its place, flushed and renamed by commit().
// Small files have write_file_atomic() in base/atomic_file.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace lora {

class StreamedFile {
 public:
  // Errors of all functions: kMachine when the disk is full or not writable.
  explicit StreamedFile(const std::filesystem::path& path);
  ~StreamedFile();  // removes the temporary when commit() was not reached
  StreamedFile(const StreamedFile&) = delete;
  StreamedFile& operator=(const StreamedFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void pad_to(uint64_t alignment);  // zero bytes up to the next multiple
  uint64_t size() const { return size_; }
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace lora
