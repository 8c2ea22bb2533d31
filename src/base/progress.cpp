#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace lora {

Progress::Style Progress::style_of_stderr() {
  return ::isatty(STDERR_FILENO) ? Style::kTerminal : Style::kLines;
}

void Progress::update(const std::string& line) {
  if (style_ == Style::kSilent) return;
  const auto now = std::chrono::steady_clock::now();
  if (style_ == Style::kLines) {
    if (last_ != std::chrono::steady_clock::time_point{} && now - last_ < std::chrono::seconds(10)) return;
    last_ = now;
    fmt::print(stderr, "{}\n", line);
    return;
  }
  fmt::print(stderr, "\r{}{}", line, std::string(shown_ > line.size() ? shown_ - line.size() : 0, ' '));
  std::fflush(stderr);
  shown_ = line.size();
}

void Progress::print(const std::string& line) {
  if (style_ == Style::kSilent) return;
  clear();
  fmt::print(stderr, "{}\n", line);
}

void Progress::clear() {
  if (shown_ == 0) return;
  fmt::print(stderr, "\r{}\r", std::string(shown_, ' '));
  std::fflush(stderr);
  shown_ = 0;
}

std::string duration_text(double seconds) {
  const auto s = static_cast<long>(std::max(0.0, seconds) + 0.5);
  if (s >= 3600) return fmt::format("{} h {:02} min", s / 3600, s % 3600 / 60);
  if (s >= 60) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} s", s);
}

std::string bytes_text(double bytes) {
  if (bytes >= 1 << 30) return fmt::format("{:.1f} GiB", bytes / (1 << 30));
  if (bytes >= 1 << 20) return fmt::format("{:.0f} MiB", bytes / (1 << 20));
  return fmt::format("{:.0f} KiB", bytes / 1024);
}

}  // namespace lora
