// A library of 8 MiB that nobody writes to, for src/base/code_pages_test.cpp: LibTorch's own is too large to copy in a test.
extern "C" {
extern const char large_library[];
const char large_library[8 << 20] = {1};
}
