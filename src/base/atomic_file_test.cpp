// What killed writers leave is found and removed, and nothing else.
#include "base/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace lora {
namespace {

namespace fs = std::filesystem;

// The id of a process that is no more.
pid_t ended_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

TEST(AtomicFile, OnlyWhatEndedWritersLeftIsRemoved) {
  std::string name = (fs::temp_directory_path() / "lora_atomic_XXXXXX").string();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const fs::path folder = name, file = folder / "record.json";
  const std::string ended = std::to_string(ended_process()), running = std::to_string(::getpid());
  const fs::path left = folder / ("record.json.tmp." + ended);
  const std::vector<fs::path> others{file, folder / ("record.json.tmp." + running),
                                     folder / ("record.json.tmp." + ended + "x"), folder / "record.json.tmp.",
                                     folder / ("other.json.tmp." + ended)};
  for (const fs::path& path : others) std::ofstream(path) << "here";
  std::ofstream(left) << "half";
  remove_left_temporaries(file);
  EXPECT_FALSE(fs::exists(left));
  for (const fs::path& path : others) EXPECT_TRUE(fs::exists(path)) << path;
  fs::remove_all(folder);
  remove_left_temporaries(file);  // of a folder that is not there: nothing
}

}  // namespace
}  // namespace lora
