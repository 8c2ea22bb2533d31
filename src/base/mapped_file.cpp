#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/error.h"

namespace lora {

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int error_number = errno;
    if (error_number == ENOENT || error_number == ENOTDIR)
      throw Error::input(
          {.where = path.string(), .found = "there is no such file", .fix = "Check the path."});
    throw Error::machine_errno({.where = path.string(), .found = "the file cannot be opened"}, error_number);
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    throw Error::input(
        {.where = path.string(), .found = "this is not a regular file", .fix = "Give a file."});
  }
  size_ = static_cast<size_t>(info.st_size);
  if (size_ > 0) {
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error_number = errno;
    if (address == MAP_FAILED) {
      ::close(fd);
      throw Error::machine_errno({.where = path.string(), .found = "the file cannot be mapped"},
                                 error_number);
    }
    data_ = static_cast<const std::byte*>(address);
  }
  fd_ = fd;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  if (fd_ >= 0) ::close(fd_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      fd_(std::exchange(other.fd_, -1)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(fd_, other.fd_);
  return *this;
}

void MappedFile::read(const std::byte* from, std::span<std::byte> to) const {
  for (auto at = static_cast<off_t>(from - data_); !to.empty();) {
    const ssize_t n = ::pread(fd_, to.data(), to.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw Error::machine_errno({.where = path_.string(), .found = "the file cannot be read"}, errno);
    if (n == 0)
      throw Error::machine({.where = path_.string(),
                            .found = "the file became shorter while it was in use",
                            .fix = "Leave the model's files alone while a command reads them."});
    to = to.subspan(static_cast<size_t>(n));
    at += n;
  }
}

void MappedFile::release_pages() const {
  if (data_) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

void release_mapped_pages(std::span<const std::byte> bytes) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t first = (begin + page - 1) / page * page, end = (begin + bytes.size()) / page * page;
  if (first < end) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

}  // namespace lora
