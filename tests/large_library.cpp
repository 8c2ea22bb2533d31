// 8 MiB that nobody writes to, as much code as LibTorch has is too much to copy: for src/base/code_pages_test.cpp.
extern "C" {
extern const char large_library[];
const char large_library[8 << 20] = {1};
}
