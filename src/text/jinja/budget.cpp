#include "text/jinja/budget.h"

#include "text/jinja/failure.h"

namespace lora::jinja {
namespace {

uintptr_t stack_position() {
  return reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}

}  // namespace

Budget::Budget(const Limits& limits)
    : limits_(limits),
      deadline_(std::chrono::steady_clock::now() + limits.time),
      stack_base_(stack_position()) {}

void Budget::exceeded(const std::string& what) {
  throw Failure("the template goes beyond its bounds: " + what);
}

void Budget::step() {
  if (++steps_ > limits_.steps) exceeded("more than " + std::to_string(limits_.steps) + " steps");
  const uintptr_t here = stack_position();
  if ((here > stack_base_ ? here - stack_base_ : stack_base_ - here) > limits_.stack_bytes)
    exceeded("macros or expressions nested too deep");
  if (steps_ % 64 == 0 && std::chrono::steady_clock::now() > deadline_)
    exceeded("more than " + std::to_string(limits_.time.count()) + " seconds");
}

void Budget::work(uint64_t bytes) {
  if (bytes > limits_.work_bytes - work_) exceeded("more than 2 GiB of text moved");
  work_ += bytes;
}

void Budget::check_size(size_t bytes) const {
  if (bytes > limits_.value_bytes)
    exceeded("a value of more than " + std::to_string(limits_.value_bytes >> 20) + " MiB");
}

void Budget::check_live() const {
  if (*account_ > limits_.live_bytes)
    exceeded("values of more than " + std::to_string(limits_.live_bytes >> 20) + " MiB together");
}

}  // namespace lora::jinja
