// What the process uses of the machine's memory.
#pragma once

#include <cstdint>

namespace lora {

// Peak resident set of the whole process so far, in bytes (getrusage).
int64_t peak_resident_bytes();

// Tells the C library's allocator to keep big freed blocks for the next step in place of returning them to the system
// and faulting them in again. Call once, before the first big allocation.
void keep_freed_memory();

}  // namespace lora
