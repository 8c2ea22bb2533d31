#include "cli/waiting.h"

#include <charconv>

namespace lora::cli {

const char* spin_count(std::string_view load) {
  constexpr const char *kBriefly = "10000", *kLong = "1000000";
  // "0.42 0.40 0.30 1/275 4711": of 275 tasks one runs or could, this program's.
  const size_t slash = load.find('/'), space = load.rfind(' ', slash);
  if (slash == std::string_view::npos || space == std::string_view::npos) return kBriefly;
  int running = 0;
  const char* end = load.data() + slash;
  const auto [stop, error] = std::from_chars(load.data() + space + 1, end, running);
  return error == std::errc() && stop == end && running <= 1 ? kLong : kBriefly;
}

}  // namespace lora::cli
