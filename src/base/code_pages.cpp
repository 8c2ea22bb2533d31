#include "base/code_pages.h"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <vector>

#include "base/descriptor.h"

namespace lora {
namespace {

// Whole pages of a segment that can't be written to: they hold what their file holds, so they may go.
struct Segment {
  uintptr_t begin, end;
  size_t bytes() const { return end - begin; }
};

// The system maps up to 16 pages around the one that was asked for, where the cache holds small folios.
constexpr int64_t kPagesAround = 16;

uintptr_t page_bytes() {
  return static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
}

std::vector<Segment> segments_of(const dl_phdr_info& library) {
  std::vector<Segment> segments;
  for (int i = 0; i < library.dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = library.dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0) continue;
    const uintptr_t page = page_bytes(), address = library.dlpi_addr + header.p_vaddr;
    const Segment whole{(address + page - 1) / page * page, (address + header.p_memsz) / page * page};
    if (whole.begin < whole.end) segments.push_back(whole);
  }
  return segments;
}

void give_back(const std::vector<Segment>& segments) {
  for (const Segment& s : segments) ::madvise(std::bit_cast<void*>(s.begin), s.bytes(), MADV_DONTNEED);
}

// Whether far more comes into memory than is asked for: some pages are read to see.
bool comes_in_large_folios(const Segment& segment) {
  constexpr uintptr_t kAsked = 16;
  const uintptr_t step = segment.bytes() / kAsked;
  if (step < 2 * static_cast<uintptr_t>(kPagesAround) * page_bytes()) return false;
  for (uintptr_t i = 0; i < kAsked; ++i)
    static_cast<void>(*std::bit_cast<const volatile char*>(segment.begin + i * step));
  return mapped_pages(segment.begin, segment.end) > 2 * static_cast<int64_t>(kAsked) * kPagesAround;
}

void drop_from_cache(const char* path) {
  const Descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  if (file.get() >= 0) ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
}

int release_library(dl_phdr_info* library, size_t, void* name) {
  if (std::string_view(library->dlpi_name).find(*static_cast<std::string_view*>(name)) ==
      std::string_view::npos)
    return 0;
  const std::vector<Segment> segments = segments_of(*library);
  give_back(segments);
  const bool large = std::ranges::any_of(segments, comes_in_large_folios);
  give_back(segments);  // what was read to see
  if (large) drop_from_cache(library->dlpi_name);
  return 0;
}

}  // namespace

int64_t mapped_pages(uintptr_t begin, uintptr_t end) {
  constexpr uint64_t kPresent = uint64_t{1} << 63;  // Documentation/admin-guide/mm/pagemap.rst
  std::vector<uint64_t> pages((end - begin) / page_bytes());
  const size_t bytes = pages.size() * sizeof(uint64_t);
  const Descriptor file(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  const ssize_t got =
      ::pread(file.get(), pages.data(), bytes, static_cast<off_t>(begin / page_bytes() * sizeof(uint64_t)));
  if (got != static_cast<ssize_t>(bytes)) return -1;
  return std::ranges::count_if(pages, [](uint64_t page) { return (page & kPresent) != 0; });
}

void release_code(std::string_view name) {
  dl_iterate_phdr(release_library, &name);
}

}  // namespace lora
