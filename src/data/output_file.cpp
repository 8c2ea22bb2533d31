#include "data/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace lora {
namespace {

constexpr size_t kBuffer = size_t{1} << 20;

[[noreturn]] void refuse_existing(const std::filesystem::path& path) {
  throw Error::input({.where = path.string(),
                      .found = "this file exists already and nothing is overwritten",
                      .fix = "Give another path, or move the file away."});
}

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error::machine_errno({.where = path.string(), .found = "the file cannot be written"}, errno);
}

}  // namespace

OutputFile::OutputFile(const std::filesystem::path& path)
    : path_(path), temporary_(path.string() + ".tmp." + std::to_string(::getpid())) {
  std::error_code unknown;
  if (std::filesystem::exists(std::filesystem::symlink_status(path, unknown))) refuse_existing(path);
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0) fail(path_);
}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void OutputFile::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= kBuffer) flush();
}

void OutputFile::flush() {
  for (size_t written = 0; written < buffer_.size();) {
    const ssize_t n = ::write(fd_, buffer_.data() + written, buffer_.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_);
    written += static_cast<size_t>(n);
  }
  buffer_.clear();
}

void OutputFile::commit() {
  flush();
  if (::fsync(fd_) != 0) fail(path_);
  // A hard link does not replace; where the file system has none, a rename after a last look.
  if (::link(temporary_.c_str(), path_.c_str()) != 0) {
    if (errno == EEXIST) refuse_existing(path_);
    if (std::filesystem::exists(path_)) refuse_existing(path_);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(path_);
  } else {
    ::unlink(temporary_.c_str());
  }
  ::close(fd_);
  fd_ = -1;
}

}  // namespace lora
