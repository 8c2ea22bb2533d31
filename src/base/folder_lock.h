// A folder that one process at a time works in. The system lets go of it when the process ends, however that comes.
#pragma once

#include <filesystem>

#include "base/descriptor.h"

namespace lora {

class FolderLock {
 public:
  // `folder` exists. Where its file system knows no locks, nothing is locked. Errors: kInput when another process holds it.
  explicit FolderLock(const std::filesystem::path& folder);

 private:
  Descriptor folder_;
};

}  // namespace lora
