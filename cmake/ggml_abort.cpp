// The one function of ggml that the pinned template engine's JSON wrapper calls: what a failed assertion does.
// Throws instead of aborting, so that a template can never end the program.
#include <ggml.h>

#include <stdexcept>
#include <string>

extern "C" void ggml_abort(const char* file, int line, const char*, ...) {
  throw std::logic_error("template engine: assertion failed at " + std::string(file) + ":" + std::to_string(line));
}
