// The pages of libraries' code that this process has in memory, and how to give them back (Linux).
#pragma once

#include <cstdint>
#include <string_view>

namespace lora {

// How many pages between two addresses are mapped now (/proc/self/pagemap); -1 where the system does not tell.
int64_t mapped_pages(uintptr_t begin, uintptr_t end);

// Gives back the code of all libraries whose file's name has `name` in it. What is called again comes back from the file, page by
// page: where Linux, from 6.18 on, would bring whole folios of its cache, 2 MiB of a file that has just been written, the
// file is dropped from that cache, and small ones are read. That fails, silently, while another process has them.
void release_code(std::string_view name);

}  // namespace lora
