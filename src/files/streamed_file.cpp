#include "files/streamed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/error.h"

namespace lora {

StreamedFile::StreamedFile(const std::filesystem::path& path)
    : path_(path), temporary_(path.string() + ".tmp." + std::to_string(::getpid())) {
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0)
    throw Error::machine_errno({.where = path_.string(), .found = "the file cannot be written"}, errno);
}

StreamedFile::~StreamedFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void StreamedFile::write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw Error::machine_errno({.where = path_.string(), .found = "the file cannot be written"}, errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

void StreamedFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text.data(), text.size())));
}

void StreamedFile::pad_to(uint64_t alignment) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  uint64_t missing = (alignment - size_ % alignment) % alignment;
  while (missing > 0) {
    const uint64_t n = std::min<uint64_t>(missing, kZeros.size());
    write(std::span(kZeros).first(n));
    missing -= n;
  }
}

void StreamedFile::commit() {
  if (::fsync(fd_) != 0)
    throw Error::machine_errno({.where = path_.string(), .found = "the file cannot be flushed to disk"},
                               errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    throw Error::machine_errno({.where = path_.string(), .found = "the file cannot be put in place"}, errno);
  ::close(std::exchange(fd_, -1));
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
  const int folder_fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool flushed = folder_fd >= 0 && ::fsync(folder_fd) == 0;
  const int error_number = errno;
  if (folder_fd >= 0) ::close(folder_fd);
  if (!flushed)
    throw Error::machine_errno({.where = folder.string(), .found = "the folder cannot be flushed to disk"},
                               error_number);
}

}  // namespace lora
