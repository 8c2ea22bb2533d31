#include "cli/waiting.h"

#include <charconv>

namespace lora::cli {

const char* spin_count(std::string_view load) {
  constexpr const char *kBriefly = "10000", *kLong = "1000000";
  // "0.42 0.40 0.30 1/275 4711": of 275 tasks one runs or could, this program's.
  const size_t slash = load.find('/'), space = load.rfind(' ', slash);
  if (slash == std::string_view::npos || space == std::string_view::npos) return kBriefly;
  int running = 0, all = 0;
  const char *middle = load.data() + slash, *end = load.data() + load.size();
  const auto [stop, error] = std::from_chars(load.data() + space + 1, middle, running);
  const bool said = error == std::errc() && stop == middle &&
                    std::from_chars(middle + 1, end, all).ec == std::errc() && all > 0;  // 0: nobody counts
  return said && running <= 1 ? kLong : kBriefly;
}

}  // namespace lora::cli
