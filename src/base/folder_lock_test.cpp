#include "base/folder_lock.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "base/error.h"

namespace lora {
namespace {

TEST(FolderLock, IsHeldByOneAtATime) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "folder_lock";
  std::filesystem::create_directories(folder);
  auto first = std::make_unique<FolderLock>(folder);
  EXPECT_THROW(FolderLock{folder}, Error);
  first.reset();
  EXPECT_NO_THROW(FolderLock{folder});
  std::filesystem::remove_all(folder);
  EXPECT_THROW(FolderLock{folder}, Error) << "there is no such folder";
}

}  // namespace
}  // namespace lora
