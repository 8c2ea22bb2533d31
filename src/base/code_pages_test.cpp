#include "base/code_pages.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "base/descriptor.h"

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

// What is read only of a library that this program has loaded, the largest segment. begin is 0 where there is none of that name.
struct Code {
  std::string_view name;
  uintptr_t begin = 0, end = 0;
  uintptr_t bytes() const { return end - begin; }
};

int find_code(dl_phdr_info* library, size_t, void* found) {
  Code& code = *static_cast<Code*>(found);
  if (std::string_view(library->dlpi_name).find(code.name) == std::string_view::npos) return 0;
  for (int i = 0; i < library->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = library->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0 || header.p_memsz < code.bytes()) continue;
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const uintptr_t address = library->dlpi_addr + header.p_vaddr;
    code.begin = (address + page - 1) / page * page;
    code.end = (address + header.p_memsz) / page * page;
  }
  return 1;
}

Code code_of(std::string_view name) {
  Code code{name};
  dl_iterate_phdr(find_code, &code);
  return code;
}

TEST(CodePages, CodeGoesAndComesBack) {
  const Code code = code_of("libstdc++");
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

// A library that has just been written, all at once, is held in folios of 2 MiB: from Linux 6.18 on, one that is asked for comes whole.
TEST(CodePages, OfAFileJustWrittenNoMoreComesBackThanIsAskedFor) {
  std::ifstream in(LORA_LARGE_LIBRARY, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::string name = (std::filesystem::temp_directory_path() / "lora_pages_XXXXXX").string();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const std::filesystem::path folder = name, copy = folder / "copied-library.so";
  {
    const Descriptor file(::open(copy.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
    ASSERT_EQ(::write(file.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    ASSERT_EQ(::fsync(file.get()), 0);
  }
  void* loaded = ::dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(loaded, nullptr) << ::dlerror();
  const Code code = code_of("copied-library");
  constexpr uintptr_t kAsked = 16;
  const auto pages_that_come = [&] {
    for (uintptr_t i = 0; i < kAsked; ++i)
      static_cast<void>(*std::bit_cast<const volatile char*>(code.begin + i * (code.bytes() / kAsked)));
    return mapped_pages(code.begin, code.end);
  };
  const int64_t few = kAsked * 16;  // as many as come around each
  const int64_t before = pages_that_come();
  release_code("copied-library");
  const int64_t after = pages_that_come();
  ::dlclose(loaded);
  std::filesystem::remove_all(folder);
  if (before <= 2 * few) GTEST_SKIP() << "this system brings small pages: " << before;
  EXPECT_LE(after, few) << "of " << before;
}

}  // namespace
}  // namespace lora
