// Text that remembers where it came from: which of its bytes were given by which message. Every operation on text is
// made of piece() and append(), so the marks follow the characters through strip, split, replace, slices and JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lora::jinja {

struct Mark {
  size_t begin, end;  // bytes
  uint32_t source;
  bool operator==(const Mark&) const = default;
};

struct Text {
  std::string bytes;        // UTF-8
  std::vector<Mark> marks;  // in order, not empty; neighbours of one source are joined
  bool markup = false;      // made by the filter "safe" or "escape"

  Text() = default;
  Text(std::string plain) : bytes(std::move(plain)) {}
  Text(std::string_view plain) : bytes(plain) {}
  Text(const char* plain) : bytes(plain) {}

  size_t size() const { return bytes.size(); }
  void mark_all(uint32_t source) {
    marks.clear();
    if (!bytes.empty()) marks.push_back({0, bytes.size(), source});
  }

  void append(std::string_view plain) { bytes += plain; }
  void append(const std::string& plain) { bytes += plain; }
  void append(const char* plain) { bytes += plain; }
  void append(const Text& other) { append(other, 0, other.size()); }
  void append(const Text& other, size_t begin, size_t end);
  // `plain` in the place of other's bytes [begin, end): it takes the mark that covers `begin`.
  void append_as(std::string_view plain, const Text& other, size_t begin);
  Text piece(size_t begin, size_t end) const;
};

}  // namespace lora::jinja
