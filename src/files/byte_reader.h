// A cursor over bytes of a file that never reads past their end. Little-endian, as GGUF and safetensors are.
// Also how text out of a file is shown in messages. Not a parser of any format.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace lora {

static_assert(std::endian::native == std::endian::little,
              "files are read by copying: a big-endian port must swap");

// Text out of a file, made safe and short for a message: quotes around it, control and non-ASCII bytes as \xNN, at most
// 80 characters of it.
inline std::string in_quotes(std::string_view text) {
  constexpr size_t kLongest = 80;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text.substr(0, kLongest)) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u >= 0x7f || c == '"' || c == '\\')
      out += {'\\', 'x', kHex[u >> 4], kHex[u & 15]};
    else
      out += c;
  }
  return out + (text.size() > kLongest ? "…\"" : "\"");
}

class ByteReader {
 public:
  // `file` names the file in errors and must outlive the reader, as `bytes` must.
  ByteReader(std::string_view file, std::span<const std::byte> bytes) : file_(file), bytes_(bytes) {}

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }

  // The next `count` bytes. Error: kInput when fewer are left; `what` names what is being read.
  std::span<const std::byte> take(uint64_t count, std::string_view what) {
    if (count > remaining())
      throw Error::input({.where = std::string(file_),
                          .found = "the file ends inside " + std::string(what) + " at byte " +
                                   std::to_string(offset_) + ": " + std::to_string(count) +
                                   " bytes are announced, " + std::to_string(remaining()) + " are left",
                          .fix = "The file is cut off or damaged; download it again."});
    const auto taken = bytes_.subspan(offset_, count);
    offset_ += count;
    return taken;
  }

  template <typename T>
  T read(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  // A 64-bit length and that many bytes: GGUF's string.
  std::string_view read_string(std::string_view what) {
    const auto length = read<uint64_t>(what);
    const auto taken = take(length, what);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

 private:
  std::string_view file_;
  std::span<const std::byte> bytes_;
  uint64_t offset_ = 0;
};

}  // namespace lora
