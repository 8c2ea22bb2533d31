// Any bytes as a safetensors file: parsed and read through, or refused with an Error; anything else is a finding.
#include <cstdint>

#include "base/error.h"
#include "files/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lora;
  try {
    const SafetensorsFile file =
        SafetensorsFile::parse("fuzz.safetensors", std::as_bytes(std::span(data, size)));
    volatile unsigned sink = 0;
    for (const TensorInfo& tensor : file.tensors()) {
      if (tensor_bytes(tensor.dtype, tensor.shape, tensor.name) != tensor.bytes.size()) __builtin_trap();
      if (!tensor.bytes.empty()) sink = sink + static_cast<unsigned>(tensor.bytes.back());
    }
  } catch (const Error&) {
  }
  return 0;
}
