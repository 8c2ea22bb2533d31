#include "base/error.h"

#include <cstring>

namespace lora {
namespace {

std::string sentence(const ErrorParts& parts) {
  std::string text;
  if (!parts.where.empty()) text += parts.where + ": ";
  text += parts.found;
  if (!parts.expected.empty()) text += " (expected " + parts.expected + ")";
  if (!parts.fix.empty()) text += ". " + parts.fix;
  return text;
}

}  // namespace

Error::Error(ErrorKind kind, ErrorParts parts)
    : std::runtime_error(sentence(parts)), kind_(kind), parts_(std::move(parts)) {}

Error Error::machine_errno(ErrorParts parts, int error_number) {
  parts.found += std::string(": ") + std::strerror(error_number);
  return machine(std::move(parts));
}

}  // namespace lora
