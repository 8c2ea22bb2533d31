#include "base/interrupt.h"

#include <csignal>

namespace lora {
namespace {

// A signal handler can reach nothing else; only this file sees it.
volatile std::sig_atomic_t g_requested = 0;

extern "C" void note_interrupt(int signal_number) {
  if (g_requested) {
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
  }
  g_requested = 1;
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, note_interrupt);
  std::signal(SIGTERM, note_interrupt);
}

bool interrupt_requested() {
  return g_requested != 0;
}

}  // namespace lora
