// Any bytes as a GGUF file: parsed and read through, or refused with an Error; anything else is a finding.
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "files/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lora;
  try {
    const GgufFile file = GgufFile::parse("fuzz.gguf", std::as_bytes(std::span(data, size)));
    volatile unsigned sink = 0;
    for (const std::string_view key : file.keys()) {
      const auto attempt = [&](auto&& read) {
        try {
          read();
        } catch (const Error&) {
        }
      };
      attempt([&] {
        for (const char c : file.get_string(key)) sink = sink + static_cast<unsigned char>(c);
      });
      attempt([&] {
        for (const std::string_view s : file.string_array(key))
          if (!s.empty()) sink = sink + static_cast<unsigned char>(s.back());
      });
      attempt([&] { sink = sink + static_cast<unsigned>(file.get_uint(key)); });
      attempt([&] { sink = sink + static_cast<unsigned>(file.get_int(key)); });
      attempt([&] { sink = sink + (file.get_float(key) > 0); });
      attempt([&] { sink = sink + file.get_bool(key); });
      attempt([&] { sink = sink + static_cast<unsigned>(file.int_array(key).size()); });
      attempt([&] { sink = sink + static_cast<unsigned>(file.float_array(key).size()); });
    }
    for (const TensorInfo& tensor : file.tensors())
      if (!tensor.bytes.empty()) sink = sink + static_cast<unsigned>(tensor.bytes.back());
  } catch (const Error&) {
  }
  return 0;
}
