#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/mapped_file.h"

namespace lora {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporary = ".tmp.";  // and the writer's process id

void fsync_path(const fs::path& path, int flags) {
  Descriptor fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0)
    throw Error::machine_errno({.where = path.string(), .found = "cannot be flushed to disk"}, errno);
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

void write_file_atomic(const fs::path& path, std::string_view bytes, IfExists if_exists) {
  if (if_exists == IfExists::kRefuse && fs::exists(path))
    throw Error::input({.where = path.string(),
                        .found = "this file exists already and nothing is overwritten",
                        .fix = "Give another path, or move the file away."});
  const fs::path temporary = path.string() + std::string(kTemporary) + std::to_string(::getpid());
  try {
    Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (fd.get() < 0)
      throw Error::machine_errno({.where = path.string(), .found = "the file cannot be written"}, errno);
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0)
        throw Error::machine_errno({.where = path.string(), .found = "the file cannot be written"}, errno);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    if (::fsync(fd.get()) != 0)
      throw Error::machine_errno({.where = path.string(), .found = "the file cannot be flushed to disk"},
                                 errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0)
      throw Error::machine_errno({.where = path.string(), .found = "the file cannot be put in place"}, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  fsync_path(folder_of(path), O_RDONLY | O_DIRECTORY);
}

void remove_left_temporaries(const fs::path& path) {
  const std::string prefix = path.filename().string() + std::string(kTemporary);
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder_of(path), code)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    pid_t writer = 0;
    const char *digits = name.data() + prefix.size(), *end = name.data() + name.size();
    const auto [stop, problem] = std::from_chars(digits, end, writer);
    if (problem != std::errc() || stop != end || writer <= 0) continue;
    if (::kill(writer, 0) != 0 && errno == ESRCH) ::unlink(entry.path().c_str());
  }
}

void publish_directory(const fs::path& temporary_path, const fs::path& final_path) {
  for (const auto& entry : fs::recursive_directory_iterator(temporary_path))
    if (entry.is_regular_file()) fsync_path(entry.path(), O_RDONLY);
  fsync_path(temporary_path, O_RDONLY | O_DIRECTORY);
  if (::rename(temporary_path.c_str(), final_path.c_str()) != 0)
    throw Error::machine_errno({.where = final_path.string(), .found = "the folder cannot be put in place"},
                               errno);
  fsync_path(folder_of(final_path), O_RDONLY | O_DIRECTORY);
}

std::string read_file(const fs::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace lora
