#include "base/memory.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "base/code_pages.h"

// tcmalloc's, where the program is linked with it (gperftools/malloc_extension_c.h).
extern "C" {
[[gnu::weak]] void MallocExtension_ReleaseFreeMemory();
[[gnu::weak]] void MallocExtension_MarkThreadIdle();
}

namespace lora {
namespace {

// The number after `key` in a file of lines "key number …"; -1: there is none.
int64_t number_after(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    int64_t number = 0;
    if (word == key && in >> number) return number;
  }
  return -1;
}

// The number that a file holds; -1: none ("max").
int64_t number_in(const char* file) {
  std::ifstream in(file);
  int64_t number = 0;
  return in >> number ? number : -1;
}

}  // namespace

int64_t peak_resident_bytes() {
  // Of this program alone: what getrusage gives counts the process that it was forked from too.
  if (const int64_t peak = number_after("/proc/self/status", "VmHWM:"); peak > 0) return peak * 1024;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

bool reset_peak_resident() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;  // Documentation/filesystems/proc.rst: resets the high water mark
  return file.good();
}

int64_t resident_bytes() {
  return std::max<int64_t>(0, number_after("/proc/self/status", "VmRSS:")) * 1024;
}

int64_t available_memory() {
  const int64_t machine = std::max<int64_t>(0, number_after("/proc/meminfo", "MemAvailable:")) * 1024;
  const int64_t limit = number_in("/sys/fs/cgroup/memory.max"),
                used = number_in("/sys/fs/cgroup/memory.current");
  if (limit < 0 || used < 0) return machine;
  // What the group holds of files can be given up for it.
  const int64_t files = std::max<int64_t>(0, number_after("/sys/fs/cgroup/memory.stat", "inactive_file"));
  const int64_t group = std::max<int64_t>(0, limit - used + files);
  return machine == 0 ? group : std::min(machine, group);
}

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

void release_start_up_memory() {
  // LibTorch's start runs through much code that is never seen again. (Other code is left alone: a debugger's breakpoints
  // in it would go too.)
  release_code("libtorch");
  if (MallocExtension_ReleaseFreeMemory) return MallocExtension_ReleaseFreeMemory();
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void join_freed_memory() {
  if (MallocExtension_MarkThreadIdle) MallocExtension_MarkThreadIdle();
}

}  // namespace lora
