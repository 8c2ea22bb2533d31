#include "base/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "base/error.h"

namespace lora {

FolderLock::FolderLock(const std::filesystem::path& folder)
    : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (folder_.get() < 0)
    throw Error::machine_errno({.where = folder.string(), .found = "the folder cannot be read"}, errno);
  if (::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw Error::input({.where = folder.string(),
                        .found = "another lora works in this folder",
                        .fix = "Wait for it or stop it, or choose another output_dir."});
}

}  // namespace lora
