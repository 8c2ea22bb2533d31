// Arithmetic on sizes that came from a file. Every such size passes here before it is used.
// Overflow is an Error that names the place, never a wrapped number.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/error.h"

namespace lora {

// a * b, a + b in 64 bits unsigned. `where` names the thing whose size is computed.
inline uint64_t checked_mul(uint64_t a, uint64_t b, std::string_view where) {
  uint64_t r;
  if (__builtin_mul_overflow(a, b, &r))
    throw Error::input({.where = std::string(where),
                        .found = "a size overflows: " + std::to_string(a) + " x " + std::to_string(b),
                        .fix = "The file is damaged or malicious; download it again."});
  return r;
}

inline uint64_t checked_add(uint64_t a, uint64_t b, std::string_view where) {
  uint64_t r;
  if (__builtin_add_overflow(a, b, &r))
    throw Error::input({.where = std::string(where),
                        .found = "a size overflows: " + std::to_string(a) + " + " + std::to_string(b),
                        .fix = "The file is damaged or malicious; download it again."});
  return r;
}

// `value` as int64_t, for tensor shapes. Error when it does not fit.
inline int64_t checked_int64(uint64_t value, std::string_view where) {
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    throw Error::input(
        {.where = std::string(where), .found = "the number " + std::to_string(value) + " is too large"});
  return static_cast<int64_t>(value);
}

}  // namespace lora
