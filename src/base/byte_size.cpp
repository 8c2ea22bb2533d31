#include "base/byte_size.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "base/error.h"

namespace lora {
namespace {

struct Unit {
  std::string_view name;
  double bytes;
};

constexpr std::array<Unit, 14> kUnits{{{"", 1},
                                       {"b", 1},
                                       {"k", 1e3},
                                       {"kb", 1e3},
                                       {"m", 1e6},
                                       {"mb", 1e6},
                                       {"g", 1e9},
                                       {"gb", 1e9},
                                       {"t", 1e12},
                                       {"tb", 1e12},
                                       {"kib", 1024.0},
                                       {"mib", 1024.0 * 1024},
                                       {"gib", 1024.0 * 1024 * 1024},
                                       {"tib", 1024.0 * 1024 * 1024 * 1024}}};
constexpr double kMost = 0x1p62;

}  // namespace

int64_t parse_byte_size(const std::string& text, const std::string& where) {
  const auto refuse = [&](const std::string& why) {
    throw Error::input({.where = where,
                        .found = fmt::format("\"{}\" {}", text, why),
                        .expected = "a number of bytes, such as 3GB, 8GiB, 512MB or 2000000000"});
  };
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number)) refuse("is not a size of memory");
  std::string unit(rest, end);
  if (unit.starts_with(' ')) unit.erase(0, 1);
  for (char& c : unit)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const auto& [name, bytes] : kUnits) {
    if (name != unit) continue;
    if (!(number > 0)) refuse("is nothing");
    if (number * bytes > kMost) refuse("is more than any machine has");
    return static_cast<int64_t>(number * bytes);
  }
  refuse(fmt::format("has the unit \"{}\", which is not known", unit));
  return 0;
}

}  // namespace lora
