#include "base/spill_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"

namespace lora {
namespace {

constexpr size_t kTailBytes = size_t{1} << 20;  // written at once, after the first time

// A file in `folder` whose name is taken away at once; -1 when there can be none.
int open_unnamed(const std::string& folder) {
  std::string path = folder + "/lora.XXXXXX";
  const int file = ::mkostemp(path.data(), O_CLOEXEC);
  if (file >= 0) ::unlink(path.c_str());
  return file;
}

// A file and the folder that it was made in.
std::pair<int, std::string> open_temporary() {
  const char* chosen = std::getenv("TMPDIR");
  for (const std::string& folder :
       {std::string(chosen ? chosen : ""), std::string("/var/tmp"), std::string("/tmp")}) {
    if (folder.empty()) continue;
    if (const int file = open_unnamed(folder); file >= 0) return {file, folder};
  }
  throw Error::machine_errno({.where = "temporary file",
                              .found = "none can be made in $TMPDIR, /var/tmp or /tmp",
                              .fix = "Set TMPDIR to a folder that can be written."},
                             errno);
}

}  // namespace

std::string spill_folder() {
  auto [file, folder] = open_temporary();
  ::close(file);
  return folder;
}

SpillFile::~SpillFile() {
  if (file_ >= 0) ::close(file_);
}

SpillFile::SpillFile(SpillFile&& other) noexcept
    : budget_(other.budget_),
      file_(std::exchange(other.file_, -1)),
      in_file_(std::exchange(other.in_file_, 0)),
      tail_(std::move(other.tail_)) {}

uint64_t SpillFile::append(std::span<const std::byte> bytes) {
  const uint64_t offset = size();
  tail_.insert(tail_.end(), bytes.begin(), bytes.end());
  if (tail_.size() > (spilled() ? std::min(kTailBytes, budget_) : budget_)) write_out();
  return offset;
}

void SpillFile::write_out() {
  if (file_ < 0) file_ = open_temporary().first;
  for (size_t done = 0; done < tail_.size();) {
    const ssize_t n =
        ::pwrite(file_, tail_.data() + done, tail_.size() - done, static_cast<off_t>(in_file_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      throw Error::machine_errno({.where = "temporary file",
                                  .found = "it cannot be written",
                                  .fix = "Make room on the disk, or set TMPDIR to a folder with more of it."},
                                 errno);
    done += static_cast<size_t>(n);
  }
  in_file_ += tail_.size();
  std::vector<std::byte>().swap(tail_);  // the budget's memory goes back
}

void SpillFile::read(uint64_t offset, std::span<std::byte> out) const {
  size_t done = 0;
  while (done < out.size() && offset + done < in_file_) {
    const size_t wanted = std::min<uint64_t>(out.size() - done, in_file_ - offset - done);
    const ssize_t n = ::pread(file_, out.data() + done, wanted, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      throw Error::machine_errno({.where = "temporary file",
                                  .found = "it cannot be read back",
                                  .fix = "Look after the disk, or set TMPDIR to a folder on another one."},
                                 errno);
    done += static_cast<size_t>(n);
  }
  if (done < out.size())
    std::memcpy(out.data() + done, tail_.data() + (offset + done - in_file_), out.size() - done);
}

}  // namespace lora
