// Sizes of memory as people write them: "3GB", "8 GiB", "512M", "2000000000".
#pragma once

#include <cstdint>
#include <string>

namespace lora {

// Bytes. k, M, G, T with or without B count by 1000, KiB, MiB, GiB, TiB by 1024; a fraction may stand before them; case and
// one space do not matter. Errors: kInput at `where`: anything else, nothing, or more than 2^62.
int64_t parse_byte_size(const std::string& text, const std::string& where);

}  // namespace lora
