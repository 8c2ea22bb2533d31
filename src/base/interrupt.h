// Ctrl-C as a request: long work asks at safe places and ends cleanly. A second Ctrl-C ends the program at once.
#pragma once

namespace lora {

// From here on SIGINT and SIGTERM are only noted. Call once from the program's start.
void catch_interrupts();

// Whether one was noted.
bool interrupt_requested();

}  // namespace lora
