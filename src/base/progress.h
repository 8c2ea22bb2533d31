// One line of progress on standard error: rewritten in place on a terminal, printed now and then elsewhere.
#pragma once

#include <chrono>
#include <string>

namespace lora {

class Progress {
 public:
  enum class Style { kTerminal, kLines, kSilent };
  // kTerminal when standard error is one, else kLines.
  static Style style_of_stderr();

  explicit Progress(Style style = style_of_stderr()) : style_(style) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Shows `line` in place of the last one. Without a terminal at most one line in ten seconds is printed.
  void update(const std::string& line);
  // Prints a line that stays.
  void print(const std::string& line);
  void clear();

 private:
  Style style_;
  size_t shown_ = 0;  // width of the line that stands there
  std::chrono::steady_clock::time_point last_{};
};

// "1 h 02 min", "3 min 20 s", "12 s".
std::string duration_text(double seconds);
// "1.2 GiB", "340 MiB".
std::string bytes_text(double bytes);

}  // namespace lora
