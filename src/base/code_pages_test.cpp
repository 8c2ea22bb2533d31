#include "base/code_pages.h"

#include <gtest/gtest.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <string_view>

namespace lora {
namespace {

TEST(CodePages, CountsWhatWasTouched) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  void* room = ::mmap(nullptr, 64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(room, MAP_FAILED);
  ::madvise(room, 64 * page, MADV_NOHUGEPAGE);
  const auto begin = std::bit_cast<uintptr_t>(room);
  const int64_t before = mapped_pages(begin, begin + 64 * page);
  for (size_t i = 0; i < 5; ++i) static_cast<char*>(room)[i * 9 * page] = 1;
  const int64_t after = mapped_pages(begin, begin + 64 * page);
  ::munmap(room, 64 * page);
  if (before < 0) GTEST_SKIP() << "the system does not tell";
  EXPECT_EQ(before, 0);
  EXPECT_EQ(after, 5);
}

// The C++ run-time's largest segment of code, which this program has just been through.
struct Code {
  uintptr_t begin = 0, end = 0;
};

int find_run_time(dl_phdr_info* library, size_t, void* found) {
  if (std::string_view(library->dlpi_name).find("libstdc++") == std::string_view::npos) return 0;
  for (int i = 0; i < library->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = library->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const uintptr_t address = library->dlpi_addr + header.p_vaddr;
    *static_cast<Code*>(found) = {(address + page - 1) / page * page,
                                  (address + header.p_memsz) / page * page};
  }
  return 1;
}

TEST(CodePages, CodeGoesAndComesBack) {
  Code code;
  dl_iterate_phdr(find_run_time, &code);
  if (code.begin == 0) GTEST_SKIP() << "the run-time is linked statically";
  const auto read_everywhere = [&] {
    int sum = 0;
    for (uintptr_t at = code.begin; at < code.end; at += 4096)
      sum += *std::bit_cast<const volatile char*>(at);
    return sum;
  };
  const int sum = read_everywhere();
  const int64_t before = mapped_pages(code.begin, code.end);
  if (before < 0) GTEST_SKIP() << "the system does not tell";
  release_code("libstdc++");
  if (const int64_t after = mapped_pages(code.begin, code.end); after >= before) {
    ::madvise(std::bit_cast<void*>(code.begin), code.end - code.begin, MADV_DONTNEED);
    if (mapped_pages(code.begin, code.end) >= before)
      GTEST_SKIP() << "the system brings all of it at once, and other programs have it";
    FAIL() << after << " of " << before << " pages stayed";
  }
  EXPECT_EQ(read_everywhere(), sum);  // what is called again is what it was
  release_code("no such library");
  EXPECT_EQ(mapped_pages(code.begin, code.end), before);
}

}  // namespace
}  // namespace lora
