// What the process uses of the machine's memory.
#pragma once

#include <cstdint>

namespace lora {

// Peak resident set of the whole process so far, in bytes (VmHWM).
int64_t peak_resident_bytes();
// From here on the peak is that of what follows. False where the system does not allow it: then it stays.
bool reset_peak_resident();

// Its resident set now, in bytes. 0 where the system does not tell.
int64_t resident_bytes();

// Memory that programs can still get without pushing others out, in bytes: what the machine has, or less where the control
// group of this process has a limit. 0 where the system does not tell.
int64_t available_memory();

// Tells the C library's allocator to keep big freed blocks for the next step in place of returning them to the system
// and faulting them in again. Call once, before the first big allocation.
void keep_freed_memory();

// Has freed blocks become one that large ones fit into, where small ones that this thread keeps lie between. Call between steps.
void join_freed_memory();

// Gives back to the system what starting up needed and nothing does any more: pages of LibTorch's code, which come back from their
// files when they are called again, and freed memory. Some 40 MiB.
void release_start_up_memory();

}  // namespace lora
