// Why a template cannot be read or rendered. chat_template.cpp makes a lora::Error of it.
#pragma once

#include <stdexcept>
#include <string>

namespace lora::jinja {

struct Failure : std::runtime_error {
  explicit Failure(const std::string& message, size_t line = 0) : std::runtime_error(message), line(line) {}
  size_t line;          // in the template, from 1; 0: not known where it was thrown
  bool raised = false;  // by the template's own raise_exception()
};

}  // namespace lora::jinja
