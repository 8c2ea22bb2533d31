// Code points whose general category moved between Unicode 14 and 18, each with a stand-in of its Unicode 16 category
// and its UTF-8 length. With the stand-ins in place a text matches \p{…} alike under any of these versions, which is
// how pattern.h gets Unicode 16 out of whatever PCRE2 is installed. Generated: tools/make_unicode_table.py.
#pragma once

#include <cstdint>
#include <span>

namespace lora {

struct UnicodeStandIn {
  uint32_t first, last;  // inclusive
  uint32_t stand_in;
};

// Sorted by `first`, not overlapping.
std::span<const UnicodeStandIn> unicode_stand_ins();
// `c` itself, or what stands for it.
uint32_t unicode_stand_in(uint32_t c);

}  // namespace lora
